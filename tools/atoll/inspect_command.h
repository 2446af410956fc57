#pragma once
// `atoll inspect KEY`: all that every replica in every region holds of a key, and where they differ.

#include "tools/atoll/command.h"

namespace atolldb::tools {

void register_inspect(CLI::App& app, Globals& globals);

}  // namespace atolldb::tools

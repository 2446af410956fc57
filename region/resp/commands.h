#pragma once
// The groups of commands, each in a file of its own.

#include <span>

#include "region/resp/command.h"

namespace atolldb::resp {

std::span<const Command> connection_commands();
std::span<const Command> server_commands();
std::span<const Command> key_commands();
std::span<const Command> string_commands();
std::span<const Command> set_commands();
std::span<const Command> hash_commands();
std::span<const Command> atoll_commands();  // what Redis has no words for

}  // namespace atolldb::resp

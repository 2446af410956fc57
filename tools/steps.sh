# shellcheck shell=bash
# What tools/packages, tools/test and tools/quickstart share: named steps with times, quiet commands whose log is
# shown when they fail. Sourced, never run.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly ROOT

# Objects compiled in one checkout serve every other one.
export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$ROOT}"
export CCACHE_NOHASHDIR="${CCACHE_NOHASHDIR:-1}"
export CCACHE_SLOPPINESS="${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}"

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# An empty log file for this run of the script; prints its path.
new_log() {
  mkdir -p "$ROOT/build-logs"
  : >"$ROOT/build-logs/$1.log"
  printf '%s' "$ROOT/build-logs/$1.log"
}

# Prints the last "[n/m]" that a build wrote to LOG, over and over, on one line of the terminal.
show_progress() {
  local log=$1 name=$2 at
  # It ends with its script, however that ends: Ctrl-C does not reach what runs in the background.
  while sleep 1 && kill -0 "$$" 2>/dev/null; do
    at="$(tail -c 4000 "$log" 2>/dev/null | grep -o '^\[[0-9]*/[0-9]*\]' | tail -n 1 || true)"
    printf '\r==> %s %s' "$name" "$at"
  done
}

# step NAME LOG COMMAND...: runs COMMAND, adds its output to LOG and says how long it took. When it
# fails, shows the end of LOG and returns COMMAND's status.
step() {
  local name=$1 log=$2 started=$SECONDS status=0 watcher=
  shift 2
  printf '\n### %s: %s\n' "$name" "$*" >>"$log"
  if [[ -t 1 ]]; then
    show_progress "$log" "$name" &
    watcher=$!
  fi
  printf '==> %s' "$name"
  "$@" >>"$log" 2>&1 || status=$?
  if [[ -n $watcher ]]; then
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    printf '\r\033[K==> %s' "$name"
  fi
  if ((status == 0)); then
    printf ': %ds\n' "$((SECONDS - started))"
    return 0
  fi
  printf ': failed after %ds (exit status %d)\n' "$((SECONDS - started))" "$status"
  {
    printf -- '--- the end of %s\n' "$log"
    tail -n 40 "$log"
    printf -- '---\n'
  } >&2
  return "$status"
}

# configure BUILD_DIR OPTION...: sets the build folder up, or gives one that is there these options. A new one compiles
# files in batches: whoever comes for the first time waits less.
configure() {
  local dir=$1
  shift
  if [[ -f $dir/build.ninja ]]; then
    meson configure "$dir" "$@"
  elif [[ -d $dir/meson-private ]]; then
    meson setup --wipe "$dir" "$ROOT" -Dbatch=true "$@"
  else
    meson setup "$dir" "$ROOT" -Dbatch=true "$@"
  fi
}

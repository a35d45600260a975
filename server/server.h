// Server: the process around the store. Cores with their event loops, listeners, the admin port, signals, orderly stop.
//
// Stop      SIGTERM or SIGINT: accept no more, answer what runs, cut what stalls, at most kStopLimit; then close the store.
//           A second signal ends the process at once, which is as safe as a crash. SIGHUP re-reads certificates.
#pragma once

#include <chrono>

#include "server/config.h"

namespace server {

inline constexpr std::chrono::seconds kStopLimit{9};

// Runs until a signal ends it. Returns the exit code: 0 after an orderly stop, 1 when the start failed (with one
// sentence on standard error).
int serve(const Config& config);

}  // namespace server

// The log: one line an event, `time level event key=value ...`, on standard error.
//
// Levels   error wakes someone, warn is degraded service, info a change of state. Values with spaces or
//          quotes are quoted and control bytes escaped, so a key of a client cannot forge a line.
//          Never pass credentials, signatures or object bytes.
// Threads  any; a line is written with one call.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace storage {

enum class LogLevel { info, warn, error, off };

// One field of a line; the value is any type that fmt prints.
struct LogField {
  std::string_view name;
  std::string value;

  LogField(std::string_view field_name, std::string field_value) : name(field_name), value(std::move(field_value)) {}
  LogField(std::string_view field_name, std::string_view field_value) : name(field_name), value(field_value) {}
  LogField(std::string_view field_name, const char* field_value) : name(field_name), value(field_value) {}
  template <class T>
  LogField(std::string_view field_name, const T& field_value) : name(field_name), value(fmt::format("{}", field_value)) {}
};

using LogFields = std::initializer_list<LogField>;

// Lines below `level` are dropped; info at start.
void set_log_level(LogLevel level);

void log_line(LogLevel level, std::string_view event, LogFields fields);

inline void log_info(std::string_view event, LogFields fields = {}) { log_line(LogLevel::info, event, fields); }
inline void log_warn(std::string_view event, LogFields fields = {}) { log_line(LogLevel::warn, event, fields); }
inline void log_error(std::string_view event, LogFields fields = {}) { log_line(LogLevel::error, event, fields); }

}  // namespace storage

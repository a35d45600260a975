// What annotations may be called, and which versions can have some.
#pragma once

#include <string_view>

#include "api/error_table.h"
#include "storage/object_store.h"

namespace api {

// Whether a name, or the beginning of one, may consist of these characters. Any thread.
bool has_annotation_characters(std::string_view text);
// Errors: InvalidAnnotationName, AnnotationNameTooLong.
Outcome<> check_annotation_name(std::string_view name);
// A version under its client's key has no annotations: nobody but the client could read what they are about.
bool has_customer_key(const storage::ObjectInfo& version);
bool is_customer_envelope(const std::string& encryption);  // Controls::encryption of such a version

}  // namespace api

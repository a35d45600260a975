#include "api/tags.h"

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/limits.h"
#include "api/request_target.h"
#include "api/xml_reader.h"
#include "api/xml_writer.h"

namespace api {
namespace {

bool has_tag_characters(std::string_view text) {
  constexpr std::string_view kSigns = " +-=._:/@";
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
    const bool other_script = static_cast<unsigned char>(c) >= 0x80;
    if (!plain && !other_script && kSigns.find(c) == std::string_view::npos) return false;
  }
  return is_utf8(text);
}

// What holds for tags of anything: their characters, and that no two have one name.
Outcome<> check_each(const storage::NameValues& tags) {
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const auto& [name, value] = tags[i];
    if (name.empty() || !has_tag_characters(name) || count_code_points(name) > kTagKeyCharactersMax) {
      return Failure(S3Error::invalid_tag, "The TagKey you have provided is invalid").with("TagKey", name);
    }
    if (!has_tag_characters(value) || count_code_points(value) > kTagValueCharactersMax) {
      return Failure(S3Error::invalid_tag, "The TagValue you have provided is invalid").with("TagKey", name);
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (tags[j].first == name) {
        return Failure(S3Error::invalid_tag, "Cannot provide multiple Tags with the same key")
            .with("TagKey", name);
      }
    }
  }
  return done();
}

Outcome<storage::NameValues> read_tag_set(const XmlElement& tagging) {
  const XmlElement* set = tagging.child("TagSet");
  if (set == nullptr || tagging.children.size() != 1) return S3Error::malformed_xml;
  storage::NameValues tags;
  for (const XmlElement& tag : set->children) {
    if (tag.name != "Tag" || tag.children.size() != 2) return S3Error::malformed_xml;
    const auto name = child_text(tag, "Key");
    const auto value = child_text(tag, "Value");
    if (!name || !value || !*name || !*value) return S3Error::malformed_xml;
    tags.emplace_back(**name, **value);
  }
  return tags;
}

}  // namespace

Outcome<> check_tags(const storage::NameValues& tags) {
  if (tags.size() > kObjectTagsMax) {
    return Failure(S3Error::invalid_tag, "Object tags cannot be greater than 10");
  }
  return check_each(tags);
}

Outcome<storage::NameValues> parse_bucket_tagging(const XmlElement& tagging) {
  auto tags = read_tag_set(tagging);
  if (!tags) return tags.error();
  if (tags->size() > kBucketTagsMax) {
    return Failure(S3Error::bad_request, "Bucket tag count cannot be greater than 50");
  }
  for (const auto& [name, value] : *tags) {
    if (name.starts_with("aws:")) {
      return Failure(S3Error::invalid_tag, "System tags cannot be added/updated by requester").with("TagKey", name);
    }
  }
  if (auto checked = check_each(*tags); !checked) return checked.error();
  return tags;
}

Outcome<storage::NameValues> parse_tag_header(std::string_view header) {
  auto parameters = parse_query(header);
  if (!parameters) {
    return Failure(S3Error::invalid_argument,
                   "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
                   "parameters without "
                   "tag name duplicates.")
        .with("ArgumentName", "x-amz-tagging");
  }
  storage::NameValues tags;
  for (QueryParameter& parameter : *parameters)
    tags.emplace_back(std::move(parameter.name), std::move(parameter.value));
  if (auto checked = check_tags(tags); !checked) return checked.error();
  return tags;
}

Outcome<storage::NameValues> parse_tagging(const XmlElement& tagging) {
  auto tags = read_tag_set(tagging);
  if (!tags) return tags.error();
  if (auto checked = check_tags(*tags); !checked) return checked.error();
  return tags;
}

void write_tagging(XmlWriter& xml, const storage::NameValues& tags) {
  xml.open_root("Tagging");
  xml.open("TagSet");
  for (const auto& [name, value] : tags) {
    xml.open("Tag");
    xml.element("Key", name);
    xml.element("Value", value);
    xml.close("Tag");
  }
  xml.close("TagSet");
  xml.close("Tagging");
}

}  // namespace api

// The answers about labels, one function for each row of the table (virtual_object.h), and what they share.
#pragma once

#include <string>
#include <string_view>

#include "api/virtual/virtual_object.h"

namespace api {

Task<Outcome<VirtualContent>> read_agreement(Call& call, std::string rest);
Task<Outcome<VirtualContent>> read_count(Call& call, std::string rest);
Task<Outcome<VirtualContent>> read_drift(Call& call, std::string rest);
Task<Outcome<VirtualContent>> read_label_stream(Call& call, std::string rest);
Task<Outcome<>> write_label_stream(Call& call, std::string rest, storage::BodySource& body);
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_label_streams(Call& call, std::string after, std::uint32_t limit);
Task<Outcome<VirtualContent>> read_pending(Call& call, std::string rest);
Task<Outcome<>> remove_pending(Call& call, std::string rest);
Task<Outcome<VirtualContent>> read_rules(Call& call, std::string rest);
Task<Outcome<>> write_rules(Call& call, std::string rest, storage::BodySource& body);
Task<Outcome<>> remove_rules(Call& call, std::string rest);
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_rules(Call& call, std::string after, std::uint32_t limit);
Task<Outcome<VirtualContent>> read_rule_run(Call& call, std::string rest);
Task<Outcome<>> write_rule_run(Call& call, std::string rest, storage::BodySource& body);
Task<Outcome<VirtualContent>> read_labels(Call& call, std::string rest);
Task<Outcome<VirtualContent>> read_query(Call& call, std::string rest);
Task<Outcome<VirtualContent>> read_stats(Call& call, std::string rest);
Task<Outcome<VirtualContent>> read_unlabelled(Call& call, std::string rest);

// A query as a client wrote it, of the objects that the client may read. Errors: InvalidArgument with column and what was
// expected.
Outcome<storage::LabelQuery> parse_label_query(const Call& call, std::string_view text);
// All objects that the client may read.
storage::LabelQuery all_objects(const Call& call);

// `NAME` or `NAME/...` taken off the front of `rest`; what is left begins behind the '/'. Errors: InvalidArgument, also for a
// '/' with nothing behind it.
Outcome<std::string> take_label_name(std::string_view& rest);

// The values of a label, or the one of a fact, of a match. Null: it has no such label.
const storage::labels::LabelSet::Values* values_of(const storage::QueryMatch& match, const std::string& name,
                                                   storage::labels::LabelSet::Values& fact_value);

// An answer that is there already.
VirtualContent whole_answer(std::string text);
// The header that tells what a query took.
std::string plan_header(std::string_view plan);

// A number as JSON.
void append_number(std::string& to, double number);
// {"value":...,"count":...} of each, in the order given, in brackets.
void append_counts(std::string& to, const std::vector<storage::ValueCount>& counts);

}  // namespace api

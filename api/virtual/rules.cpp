// .granary/rules and .granary/rules/apply.
#include "api/virtual/rules.h"

#include <nlohmann/json.hpp>

#include "api/bucket_settings.h"
#include "api/digest.h"
#include "api/encoding.h"
#include "api/ingest_rules.h"
#include "api/virtual/answers.h"
#include "storage/base/log.h"

namespace api {

using storage::Errc;
using storage::Result;
using storage::Task;

namespace {

constexpr std::int64_t kKeepMs = 1'000;  // for one run in a round of keep()
constexpr std::uint32_t kRowsPerPage = 500;
constexpr std::uint32_t kVersionsPerPage = 200;
constexpr std::string_view kNoRules = "{\"rules\": []}";

Task<Outcome<>> set_rules(Call& call, std::optional<std::string> text) {
  const auto changed = co_await call.store.change_bucket(call.bucket->name, [&text](storage::BucketInfo& bucket) {
    if (text) bucket.settings.insert_or_assign(std::string(kIngestRulesSetting), *text);
    else bucket.settings.erase(std::string(kIngestRulesSetting));
    return storage::success();
  });
  if (!changed) co_return changed.error();
  co_return done();
}

}  // namespace

std::string RuleRun::report() const {
  nlohmann::ordered_json json;
  json["state"] = done ? "done" : "running";
  json["objects"] = objects;
  json["total"] = total;
  return json.dump();
}

std::string RuleRun::text() const {
  const nlohmann::json json = {{"bucket", bucket},   {"bucket_id", bucket_id}, {"done", done},
                               {"objects", objects}, {"total", total},         {"after", to_base64url(after)}};
  return json.dump();
}

std::optional<RuleRun> RuleRun::parse(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  RuleRun run;
  try {
    json.at("bucket").get_to(run.bucket);
    json.at("bucket_id").get_to(run.bucket_id);
    json.at("done").get_to(run.done);
    json.at("objects").get_to(run.objects);
    json.at("total").get_to(run.total);
    auto after = from_base64url(json.at("after").get<std::string>());
    if (!after) return std::nullopt;
    run.after = std::move(*after);
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
  return run;
}

Task<Result<RuleRun>> RuleRuns::find(std::uint64_t bucket_id) {
  const auto row = co_await store_.registry_row(std::string(kRuleRunTable), std::to_string(bucket_id));
  if (!row) co_return row.error();
  auto run = RuleRun::parse(row->value);
  if (!run) co_return Errc::corrupt_record;
  co_return std::move(*run);
}

Task<Result<>> RuleRuns::start(storage::BucketInfoPtr bucket) {
  const auto usage = co_await store_.bucket_usage(bucket->name);
  if (!usage) co_return usage.error();
  RuleRun run;
  run.bucket = bucket->name;
  run.bucket_id = bucket->id;
  run.total = usage->versions;
  storage::RegistryRow row{std::to_string(bucket->id), run.text(), 0};
  const auto put = co_await store_.put_registry_row(std::string(kRuleRunTable), std::move(row), std::nullopt);
  if (!put) co_return put.error();
  co_return storage::success();
}

// One run for a while. Its row is only replaced as it was read: a new start begins anew.
Task<Result<>> RuleRuns::advance(storage::RegistryRow row) {
  auto run = RuleRun::parse(row.value);
  if (!run) co_return Errc::corrupt_record;
  if (run->done) co_return storage::success();
  const auto bucket = co_await store_.bucket(run->bucket);
  if (!bucket && bucket.error() != Errc::bucket_not_found) co_return bucket.error();
  if (!bucket || (*bucket)->id != run->bucket_id) {
    co_return co_await store_.remove_registry_row(std::string(kRuleRunTable), row.name, row.revision);
  }
  const auto setting = (*bucket)->settings.find(kIngestRulesSetting);
  const auto rules = stored_ingest_rules(setting != (*bucket)->settings.end() ? std::string_view(setting->second) : kNoRules);
  if (rules == nullptr) co_return Errc::corrupt_record;
  const std::int64_t until_ms = clock_.monotonic_ns() / 1'000'000 + kKeepMs;
  do {
    storage::VersionListOptions options;
    options.key_after = run->after;
    options.entries_max = kVersionsPerPage;
    const auto page = co_await store_.list_versions(run->bucket, options);
    if (!page) co_return page.error();
    for (const storage::ObjectInfoPtr& version : page->versions) {
      if (version->current && !version->delete_marker) {
        const auto judge = [&](std::uint64_t size) -> Result<storage::RuleLabels> {
          return rules->judge(version->key, size, false).labels;
        };
        const storage::ObjectKey object{run->bucket, version->key};
        const auto labelled = co_await store_.relabel(object, judge);
        if (!labelled && labelled.error() != Errc::not_found) co_return labelled.error();
        ++run->objects;
      }
      run->after = version->key;  // older versions of a key whose page ended are skipped with it
    }
    run->done = !page->truncated;
    if (run->done) run->total = run->objects;
    storage::RegistryRow next{row.name, run->text(), 0};
    const auto put = co_await store_.put_registry_row(std::string(kRuleRunTable), std::move(next), row.revision);
    if (!put) co_return put.error() == Errc::conflict ? storage::success() : Result<>(put.error());
    row.revision = *put;
  } while (!run->done && clock_.monotonic_ns() / 1'000'000 < until_ms);
  co_return storage::success();
}

Task<> RuleRuns::keep() {
  std::string after;
  while (true) {
    auto rows = co_await store_.registry_rows(std::string(kRuleRunTable), after, kRowsPerPage);
    if (!rows || rows->empty()) co_return;
    after = rows->back().name;
    for (storage::RegistryRow& row : *rows) {
      const auto advanced = co_await advance(std::move(row));
      if (!advanced) storage::log_warn("rules_not_applied", {{"what", advanced.error().message()}});
    }
  }
}

Task<Outcome<VirtualContent>> read_rules(Call& call, std::string) {
  const auto text = call.bucket->settings.find(kIngestRulesSetting);
  co_return whole_answer(text != call.bucket->settings.end() ? text->second : std::string(kNoRules));
}

Task<Outcome<>> write_rules(Call& call, std::string, storage::BodySource& body) {
  auto text = co_await read_document(call, body, kIngestRulesBytesMax);
  if (!text) co_return text.error();
  const auto parsed = IngestRules::parse(*text);
  if (!parsed) co_return parsed.error();
  co_return co_await set_rules(call, std::move(*text));
}

Task<Outcome<>> remove_rules(Call& call, std::string) { co_return co_await set_rules(call, std::nullopt); }

Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_rules(Call& call, std::string after, std::uint32_t limit) {
  std::vector<storage::ObjectInfoPtr> entries;
  const auto text = call.bucket->settings.find(kIngestRulesSetting);
  auto info = std::make_shared<storage::ObjectInfo>();
  info->key = std::string(kVirtualPrefix) + "rules";
  if (text == call.bucket->settings.end() || limit == 0 || info->key <= after) co_return std::move(entries);
  const Sha256Digest hash = sha256(text->second);
  info->size = text->second.size();
  info->etag = to_hex(std::string_view(reinterpret_cast<const char*>(hash.data()), 20)) + "-1";
  info->modified_ms = call.bucket->created_ms;
  info->version_id = "null";
  entries.push_back(std::move(info));
  co_return std::move(entries);
}

Task<Outcome<VirtualContent>> read_rule_run(Call& call, std::string) {
  const auto run = co_await call.rule_runs->find(call.bucket->id);
  if (!run && run.error() == Errc::not_found) co_return S3Error::no_such_key;
  if (!run) co_return run.error();
  co_return whole_answer(run->report());
}

Task<Outcome<>> write_rule_run(Call& call, std::string, storage::BodySource& body) {
  const auto text = co_await read_document(call, body, 1);
  if (!text) co_return text.error();
  if (!text->empty()) co_return Failure(S3Error::invalid_argument, "The body must be empty");
  const auto started = co_await call.rule_runs->start(call.bucket);
  if (!started) co_return started.error();
  co_return done();
}

}  // namespace api

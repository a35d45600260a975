#include "storage/query_planner.h"

#include <algorithm>

namespace storage {

using labels::BitmapCache;
using labels::Match;
using labels::QueryNode;
using labels::Term;
using Kind = QueryNode::Kind;

namespace {

constexpr std::uint64_t kUnknown = UINT64_MAX;
// So often a plan starts again because a label's first use came in between.
constexpr int kAttemptsMax = 3;

bool is_term(const QueryNode& node) { return node.children.empty(); }

// The longest beginning of keys that the root, or a part of its AND, allows.
std::string key_prefix_of(const labels::Query& query) {
  std::string prefix;
  const auto narrow = [&](const QueryNode& node) {
    if (!is_term(node) || node.name != "object.key") return;
    const bool equals = node.kind == Kind::compare && node.comparison == labels::Operator::equal;
    if (node.kind != Kind::prefix && !equals) return;
    const labels::Value& value = node.values.front();
    if (value.kind() == labels::Kind::string && value.text().size() > prefix.size()) prefix = value.text();
  };
  const QueryNode& root = query.node(query.root());
  narrow(root);
  if (root.kind == Kind::all_of) {
    for (const std::uint32_t child : root.children) narrow(query.node(child));
  }
  return prefix;
}

}  // namespace

std::string QueryPlan::text() const {
  const auto side = [](const labels::Side& of) {
    return (of.inverted ? "all-" : "") + std::to_string(of.set->size());
  };
  std::string text = "terms=" + std::to_string(terms) + "; scanned=" + std::to_string(from_rows) +
                     "; postings=" + std::to_string(rows) + "; unread=" + std::to_string(unread) +
                     "; surely=" + side(match.surely) + "; perhaps=" + side(match.perhaps);
  return text;
}

Task<Result<>> QueryPlanner::name_leaves(Planning& planning) {
  const auto& nodes = planning.query->nodes();
  planning.leaves.assign(nodes.size(), {});
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const QueryNode& node = nodes[i];
    if (!is_term(node)) continue;
    Leaf& leaf = planning.leaves[i];
    leaf.name = node.name;
    leaf.fact = node.name.starts_with(labels::kFactPrefix);
    if (leaf.fact) continue;
    auto id = co_await index_.find_name(planning.bucket, node.name);
    if (!id) co_return id.error();
    leaf.id = *id;
    if (!leaf.id) continue;
    if (node.kind != Kind::in) {
      leaf.terms.push_back(Term::of(*leaf.id, node));
      continue;
    }
    for (const labels::Value& value : node.values) leaf.terms.push_back(Term::value(*leaf.id, value));
  }
  co_return success();
}

bool QueryPlanner::is_large(labels::BucketId bucket, const Term& term) {
  const std::lock_guard lock(mutex_);
  return large_.contains(std::to_string(bucket) + term.text());
}

void QueryPlanner::note_large(labels::BucketId bucket, const Term& term) {
  const std::lock_guard lock(mutex_);
  if (large_.size() >= kLargeMax) large_.clear();
  large_.insert(std::to_string(bucket) + term.text());
}

// Reads the terms that are small; finds out which are not.
Task<Result<>> QueryPlanner::probe(Planning& planning, QueryPlan& plan) {
  for (const Leaf& leaf : planning.leaves) {
    for (const Term& term : leaf.terms) {
      ++plan.terms;
      if (bitmaps_.has(planning.bucket, term) || is_large(planning.bucket, term)) continue;
      ++plan.from_rows;
      auto built = co_await bitmaps_.build(planning.bucket, term, kProbeRows, plan.rows);
      if (!built) co_return built.error();
      if (*built == BitmapCache::Built::too_large) note_large(planning.bucket, term);
    }
  }
  co_return success();
}

std::uint64_t QueryPlanner::estimate(const Planning& planning, std::uint32_t index) {
  const QueryNode& node = planning.query->node(index);
  const Leaf& leaf = planning.leaves[index];
  const auto sum = [](std::uint64_t a, std::uint64_t b) { return a == kUnknown || b == kUnknown ? kUnknown : a + b; };
  std::uint64_t total = node.kind == Kind::all_of ? kUnknown : 0;
  switch (node.kind) {
    case Kind::all_of:
      for (const std::uint32_t child : node.children) total = std::min(total, estimate(planning, child));
      return total;
    case Kind::any_of:
      for (const std::uint32_t child : node.children) total = sum(total, estimate(planning, child));
      return total;
    case Kind::negation:
      return kUnknown;
    case Kind::compare:
    case Kind::in:
    case Kind::between:
    case Kind::prefix:
    case Kind::exists:
      break;
  }
  if (leaf.fact) return kUnknown;
  for (const Term& term : leaf.terms) total = sum(total, bitmaps_.size_of(planning.bucket, term).value_or(kUnknown));
  return total;
}

// The terms without which the bitmaps would say too little.
void QueryPlanner::collect(const Planning& planning, std::uint32_t index, std::vector<Term>& wanted) {
  const QueryNode& node = planning.query->node(index);
  if (is_term(node)) {
    for (const Term& term : planning.leaves[index].terms) wanted.push_back(term);
    return;
  }
  const bool narrow = node.kind == Kind::all_of && estimate(planning, index) <= kProbeRows;
  for (const std::uint32_t child : node.children) {
    // Next to a side that is small it is cheaper to ask who is left.
    if (narrow && estimate(planning, child) > kProbeRows) continue;
    collect(planning, child, wanted);
  }
}

Task<Result<>> QueryPlanner::build(Planning& planning, std::vector<Term> wanted, QueryPlan& plan) {
  for (const Term& term : wanted) {
    if (bitmaps_.has(planning.bucket, term)) continue;
    const KeyLocks::Guard guard = co_await builds_.lock(std::to_string(planning.bucket) + term.text());
    if (bitmaps_.has(planning.bucket, term)) continue;
    ++plan.from_rows;
    auto built = co_await bitmaps_.build(planning.bucket, term, 0, plan.rows);
    // In a bucket that changes faster than it can be read, objects are asked.
    if (!built && built.error() != Errc::overloaded) co_return built.error();
  }
  co_return success();
}

Match QueryPlanner::combine(const Planning& planning, std::uint32_t index,
                            const std::vector<std::optional<Match>>& known, const std::vector<std::size_t>& first_term) {
  const QueryNode& node = planning.query->node(index);
  std::vector<Match> parts;
  if (is_term(node)) {
    const Leaf& leaf = planning.leaves[index];
    if (leaf.fact) return Match::unknown();
    for (std::size_t i = 0; i < leaf.terms.size(); ++i) {
      const auto& match = known[first_term[index] + i];
      parts.push_back(match ? *match : Match::unknown());
    }
    return parts.empty() ? Match::nobody() : labels::any_of(std::move(parts));
  }
  for (const std::uint32_t child : node.children) parts.push_back(combine(planning, child, known, first_term));
  if (node.kind == Kind::negation) return labels::negation(std::move(parts.front()));
  return node.kind == Kind::all_of ? labels::all_of(std::move(parts)) : labels::any_of(std::move(parts));
}

// All that is known, at one instant.
Match QueryPlanner::match_now(const Planning& planning, QueryPlan& plan, bool among_present) {
  std::vector<Term> terms;
  std::vector<std::size_t> first_term(planning.leaves.size());
  for (std::size_t i = 0; i < planning.leaves.size(); ++i) {
    first_term[i] = terms.size();
    terms.insert(terms.end(), planning.leaves[i].terms.begin(), planning.leaves[i].terms.end());
  }
  const std::size_t present = terms.size();
  if (among_present) terms.push_back(Term::present());
  const auto known = bitmaps_.match(planning.bucket, terms);
  plan.unread = static_cast<std::uint64_t>(std::count(known.begin(), known.end(), std::nullopt));
  Match match = combine(planning, planning.query->root(), known, first_term);
  if (!among_present || !known[present]) return match;
  std::vector<Match> both;
  both.push_back(*known[present]);
  both.push_back(std::move(match));
  return labels::all_of(std::move(both));
}

Task<Result<QueryPlan>> QueryPlanner::plan(labels::BucketId bucket, labels::QueryPtr query, Wanted what) {
  for (int attempt = 1;; ++attempt) {
    QueryPlan plan;
    plan.query = query;
    plan.key_prefix = key_prefix_of(*query);
    Planning planning;
    planning.bucket = bucket;
    planning.query = query;
    Result<> named = co_await name_leaves(planning);
    if (!named) co_return named.error();
    Result<> probed = co_await probe(planning, plan);
    if (!probed) co_return probed.error();
    std::vector<Term> wanted;
    collect(planning, query->root(), wanted);
    Result<> built = co_await build(planning, std::move(wanted), plan);
    if (!built) co_return built.error();
    plan.match = match_now(planning, plan, false);
    if (what == Wanted::listed && plan.match.perhaps.inverted) {
      wanted.assign(1, Term::present());
      built = co_await build(planning, std::move(wanted), plan);
      if (!built) co_return built.error();
      plan.match = match_now(planning, plan, true);
      if (plan.match.perhaps.inverted) co_return Errc::overloaded;
    }
    // A label that nobody carried before this instant may have got its first object since: then look again.
    bool appeared = false;
    for (const Leaf& leaf : planning.leaves) {
      if (leaf.name.empty() || leaf.fact || leaf.id) continue;
      auto id = co_await index_.find_name(bucket, leaf.name);
      if (!id) co_return id.error();
      appeared = appeared || id->has_value();
    }
    if (!appeared || attempt == kAttemptsMax) co_return plan;
  }
}

}  // namespace storage

// The policy language: what is refused, and what a sound document says.
#include "api/access/policy.h"

#include <gtest/gtest.h>

#include <map>

#include "api/access/principal.h"

namespace {

using api::Action;
using api::Policy;
using api::Verdict;

class MapFacts final : public api::RequestFacts {
 public:
  std::map<std::string, std::vector<std::string>, std::less<>> all;
  std::vector<std::string> values(std::string_view key) const override {
    const auto found = all.find(key);
    return found == all.end() ? std::vector<std::string>() : found->second;
  }
};

class PolicyTest : public testing::Test {
 protected:
  PolicyTest() {
    alice_.id = "alice-id";
    alice_.name = "alice";
    alice_.access_key = "ALICEKEY";
  }

  static Policy::Kind bucket_kind() {
    Policy::Kind kind;
    kind.bucket = "bkt";
    kind.known_user = [](std::string_view name) { return name == "alice" || name == "alice-id" || name == "ALICEKEY"; };
    return kind;
  }

  // The sentence of the refusal; empty when the document is sound.
  static std::string refusal(const std::string& text) {
    const auto parsed = Policy::parse(text, bucket_kind());
    if (parsed) return {};
    EXPECT_EQ(parsed.error().error(), api::S3Error::malformed_policy);
    return std::string(parsed.error().message());
  }

  static std::string one(const std::string& rest) {
    return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",)" + rest + "}]}";
  }
  static std::string get_with(const std::string& condition) {
    return one(R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/*","Condition":)" + condition);
  }

  Verdict judge(const std::string& text, Action action, std::string_view resource,
                const api::Principal* principal = nullptr) {
    const auto parsed = Policy::parse(text, bucket_kind());
    EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message());
    if (!parsed) return Verdict::none;
    return (*parsed)->judge({principal, action, resource, facts_}).verdict;
  }
  // Whether a condition on a GET of bkt/k holds.
  bool holds(const std::string& condition) {
    return judge(get_with(condition), Action::get_object, "bkt/k") == Verdict::allow;
  }

  api::Principal alice_;
  MapFacts facts_;
};

TEST_F(PolicyTest, MalformedDocuments) {
  const std::string resource = R"("Resource":"arn:aws:s3:::bkt/*")";
  EXPECT_EQ(refusal(""), "Policies must be valid JSON and the first byte must be '{'");
  EXPECT_EQ(refusal("[]"), "Policies must be valid JSON and the first byte must be '{'");
  EXPECT_EQ(refusal("{"), "This policy contains invalid Json");
  EXPECT_EQ(refusal("{}"), "Missing required field Statement");
  EXPECT_EQ(refusal(R"({"Statement":[]})"), "Could not parse the policy: Statement is empty!");
  EXPECT_EQ(refusal(R"({"Version":"2020-01-01","Statement":[]})"), "The policy must contain a valid version string");
  EXPECT_EQ(refusal(R"({"Statement":[{"Principal":"*","Action":"s3:GetObject",)" + resource + "}]}"),
            "Missing required field Effect");
  EXPECT_EQ(refusal(R"({"Statement":[{"Effect":"Maybe","Principal":"*","Action":"s3:GetObject",)" + resource + "}]}"),
            "Invalid effect: Maybe");
  EXPECT_EQ(refusal(R"({"Statement":[{"Effect":"Allow","Action":"s3:GetObject",)" + resource + "}]}"),
            "Missing required field Principal");
  EXPECT_EQ(refusal(one(R"("Action":"s3:GetObject")")), "Missing required field Resource");
  EXPECT_EQ(refusal(one(resource)), "Missing required field Action");
  EXPECT_EQ(refusal(one(R"("Action":"s3:Fly",)" + resource)), "Policy has invalid action");
  EXPECT_EQ(refusal(one(R"("Action":"ec2:RunInstances",)" + resource)), "Policy has invalid action");
  EXPECT_EQ(refusal(one(R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*")")), "Policy has invalid resource");
  EXPECT_EQ(refusal(one(R"("Action":"s3:GetObject","Resource":"bkt/*")")), "Policy has invalid resource");
  EXPECT_EQ(refusal(one(R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt")")),
            "Action does not apply to any resource(s) in statement");
  EXPECT_EQ(refusal(one(R"("Action":"s3:ListBucket",)" + resource)), "Action does not apply to any resource(s) in statement");
  EXPECT_EQ(refusal(get_with(R"({"StringSortOf":{"aws:username":"x"}})")), "Invalid Condition type : StringSortOf");
  EXPECT_EQ(refusal(get_with(R"({"StringEquals":{"s3:mood":"x"}})")), "Policy has an invalid condition key");
  EXPECT_FALSE(refusal(get_with(R"({"IpAddress":{"aws:SourceIp":"300.1.1.1"}})")).empty());
  EXPECT_FALSE(refusal(get_with(R"({"NumericEquals":{"s3:max-keys":"many"}})")).empty());
  EXPECT_EQ(refusal("{" + std::string(api::kPolicyBytesMax, ' ') + "}"),
            "Policy exceeds the maximum allowed document size.");
  // Two readers of one document must not read two things.
  EXPECT_EQ(refusal(R"({"Statement":[{"Effect":"Deny","Effect":"Allow","Principal":"*","Action":"s3:GetObject",)" +
                    resource + "}]}"),
            "This policy contains invalid Json");
}

TEST_F(PolicyTest, Principals) {
  const auto with = [](const std::string& principal) {
    return R"({"Statement":[{"Effect":"Allow","Principal":)" + principal +
           R"(,"Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/*"}]})";
  };
  api::Principal bob;
  bob.id = "bob-id";
  bob.name = "bob";
  for (const char* text : {R"({"AWS":"alice-id"})", R"({"AWS":["arn:aws:iam:::user/alice"]})", R"({"CanonicalUser":"alice-id"})",
                           R"({"AWS":"arn:aws:iam::alice-id:user/alice"})", R"({"AWS":"arn:aws:iam::alice-id:root"})"}) {
    EXPECT_EQ(refusal(with(text)), "") << text;
    EXPECT_EQ(judge(with(text), Action::get_object, "bkt/k", &alice_), Verdict::allow) << text;
    EXPECT_EQ(judge(with(text), Action::get_object, "bkt/k", &bob), Verdict::none) << text;
    EXPECT_EQ(judge(with(text), Action::get_object, "bkt/k"), Verdict::none) << text;
  }
  for (const char* text : {R"("*")", R"({"AWS":"*"})"}) {
    EXPECT_EQ(judge(with(text), Action::get_object, "bkt/k"), Verdict::allow) << text;
  }
  for (const char* text : {R"({"AWS":"nobody"})", R"({"AWS":"arn:aws:iam:::user/nobody"})", R"({"Moon":"*"})", "{}", "[]", "7"}) {
    EXPECT_EQ(refusal(with(text)), "Invalid principal in policy") << text;
  }
  const std::string others = R"({"Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":"alice"},"Action":"s3:*",)"
                             R"("Resource":"arn:aws:s3:::bkt/*"}]})";
  EXPECT_EQ(judge(others, Action::get_object, "bkt/k", &bob), Verdict::deny);
  EXPECT_EQ(judge(others, Action::get_object, "bkt/k", &alice_), Verdict::none);
}

TEST_F(PolicyTest, ActionsAndResources) {
  const std::string reads = one(R"("Action":["s3:get*","S3:LISTBUCKET"],"Resource":["arn:aws:s3:::bkt","arn:aws:s3:::bkt/a/?.txt"])");
  EXPECT_EQ(judge(reads, Action::get_object, "bkt/a/1.txt"), Verdict::allow);
  EXPECT_EQ(judge(reads, Action::get_object, "bkt/a/é.txt"), Verdict::allow) << "one character, two bytes";
  EXPECT_EQ(judge(reads, Action::get_object, "bkt/a/10.txt"), Verdict::none);
  EXPECT_EQ(judge(reads, Action::list_bucket, "bkt"), Verdict::allow);
  EXPECT_EQ(judge(reads, Action::put_object, "bkt/a/1.txt"), Verdict::none);
  const std::string all_but = one(R"("NotAction":"s3:Delete*","NotResource":"arn:aws:s3:::bkt/secret/*")");
  EXPECT_EQ(judge(all_but, Action::get_object, "bkt/k"), Verdict::allow);
  EXPECT_EQ(judge(all_but, Action::delete_object, "bkt/k"), Verdict::none);
  EXPECT_EQ(judge(all_but, Action::get_object, "bkt/secret/k"), Verdict::none);
  const std::string both = R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::bkt/*"},)"
                           R"({"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/x*"}]})";
  EXPECT_EQ(judge(both, Action::get_object, "bkt/y"), Verdict::allow);
  EXPECT_EQ(judge(both, Action::get_object, "bkt/x"), Verdict::deny);
}

TEST_F(PolicyTest, Variables) {
  const std::string home = one(R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/${aws:username}/*")");
  facts_.all["aws:username"] = {"alice"};
  EXPECT_EQ(judge(home, Action::get_object, "bkt/alice/k"), Verdict::allow);
  EXPECT_EQ(judge(home, Action::get_object, "bkt/bob/k"), Verdict::none);
  facts_.all["aws:username"] = {"*"};
  EXPECT_EQ(judge(home, Action::get_object, "bkt/bob/k"), Verdict::none) << "a star in a name is only a star";
  facts_.all.clear();
  EXPECT_EQ(judge(home, Action::get_object, "bkt//k"), Verdict::none) << "no name, no match";
  const std::string star = one(R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/${*}${?}${$}")");
  EXPECT_EQ(judge(star, Action::get_object, "bkt/*?$"), Verdict::allow);
  EXPECT_EQ(judge(star, Action::get_object, "bkt/abc"), Verdict::none);
  const std::string fallback = one(R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/${aws:username, 'guest'}/*")");
  EXPECT_EQ(judge(fallback, Action::get_object, "bkt/guest/k"), Verdict::allow);
  EXPECT_FALSE(refusal(one(R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/${aws:username")")).empty());
}

TEST_F(PolicyTest, Comparisons) {
  facts_.all = {{"s3:prefix", {"Home/a"}}, {"s3:max-keys", {"10"}}, {"aws:currenttime", {"2026-11-21T18:00:00Z"}},
                {"aws:securetransport", {"false"}}, {"aws:sourceip", {"192.0.2.17"}}, {"aws:username", {"alice"}},
                {"aws:sourcearn", {"arn:aws:s3:::bkt"}}};
  EXPECT_TRUE(holds(R"({"StringEquals":{"s3:prefix":["x","Home/a"]}})"));
  EXPECT_FALSE(holds(R"({"StringEquals":{"s3:prefix":"home/a"}})"));
  EXPECT_FALSE(holds(R"({"StringEquals":{"s3:prefix":"Home/*"}})")) << "a star is a star there";
  EXPECT_TRUE(holds(R"({"StringEqualsIgnoreCase":{"s3:prefix":"home/A"}})"));
  EXPECT_TRUE(holds(R"({"StringLike":{"s3:prefix":"Home/*"}})"));
  EXPECT_FALSE(holds(R"({"StringNotLike":{"s3:prefix":"Home/*"}})"));
  EXPECT_TRUE(holds(R"({"StringNotEquals":{"s3:prefix":["a","b"]}})"));
  EXPECT_FALSE(holds(R"({"StringNotEquals":{"s3:prefix":["a","Home/a"]}})"));
  EXPECT_TRUE(holds(R"({"NumericLessThanEquals":{"s3:max-keys":10}})"));
  EXPECT_FALSE(holds(R"({"NumericLessThan":{"s3:max-keys":"10"}})"));
  EXPECT_TRUE(holds(R"({"NumericGreaterThan":{"s3:max-keys":"9.5"}})"));
  EXPECT_FALSE(holds(R"({"NumericNotEquals":{"s3:max-keys":"10"}})"));
  EXPECT_TRUE(holds(R"({"DateGreaterThan":{"aws:CurrentTime":"2026-11-21"}})"));
  EXPECT_FALSE(holds(R"({"DateLessThan":{"aws:CurrentTime":"2026-11-21T17:59:59Z"}})"));
  EXPECT_TRUE(holds(R"({"Bool":{"aws:SecureTransport":"false"}})"));
  EXPECT_FALSE(holds(R"({"Bool":{"aws:SecureTransport":true}})"));
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.0/28","192.0.2.16/28"]}})"));
  EXPECT_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":"192.0.2.16"}})"));
  EXPECT_FALSE(holds(R"({"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}})"));
  EXPECT_TRUE(holds(R"({"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:*:b*"}})"));
  EXPECT_FALSE(holds(R"({"ArnLike":{"aws:SourceArn":"arn:*:bkt"}})")) << "a star stays in its field";
  EXPECT_TRUE(holds(R"({"Null":{"s3:delimiter":"true","s3:prefix":"false"}})"));
  EXPECT_FALSE(holds(R"({"Null":{"s3:prefix":"true"}})"));
  EXPECT_TRUE(holds(R"({"StringEquals":{"aws:username":"${aws:username}"}})"));
  facts_.all["aws:sourceip"] = {"2001:db8::5"};
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":"2001:db8::/32"}})"));
  EXPECT_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}})"));
  facts_.all["aws:sourceip"] = {"::ffff:192.0.2.17"};
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}})")) << "one address, two spellings";
}

TEST_F(PolicyTest, AbsentFacts) {
  EXPECT_FALSE(holds(R"({"StringEquals":{"s3:prefix":"a"}})"));
  EXPECT_TRUE(holds(R"({"StringNotEquals":{"s3:prefix":"a"}})"));
  EXPECT_TRUE(holds(R"({"StringEqualsIfExists":{"s3:prefix":"a"}})"));
  EXPECT_TRUE(holds(R"({"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}})"));
  EXPECT_TRUE(holds(R"({"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["a"]}})"));
  EXPECT_FALSE(holds(R"({"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["a"]}})"));
  EXPECT_FALSE(holds(R"({"ForAnyValue:StringNotEquals":{"s3:RequestObjectTagKeys":["a"]}})"));
}

TEST_F(PolicyTest, SetsOfValues) {
  facts_.all["s3:requestobjecttagkeys"] = {"a", "b"};
  EXPECT_TRUE(holds(R"({"ForAllValues:StringLike":{"s3:RequestObjectTagKeys":["a","b","c"]}})"));
  EXPECT_FALSE(holds(R"({"ForAllValues:StringLike":{"s3:RequestObjectTagKeys":["a"]}})"));
  EXPECT_TRUE(holds(R"({"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["b","z"]}})"));
  EXPECT_FALSE(holds(R"({"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["z"]}})"));
  EXPECT_TRUE(holds(R"({"ForAnyValue:StringNotEquals":{"s3:RequestObjectTagKeys":["a"]}})"));
  EXPECT_FALSE(holds(R"({"ForAllValues:StringNotEquals":{"s3:RequestObjectTagKeys":["a"]}})"));
  facts_.all["s3:existingobjecttag/Team"] = {"red"};
  EXPECT_TRUE(holds(R"({"StringEquals":{"s3:ExistingObjectTag/Team":"red"}})"));
  EXPECT_FALSE(holds(R"({"StringEquals":{"s3:ExistingObjectTag/team":"red"}})")) << "tags have letters of two sizes";
}

TEST_F(PolicyTest, WhatIsPublic) {
  const auto is_public = [](const std::string& text) {
    const auto parsed = Policy::parse(text, bucket_kind());
    EXPECT_TRUE(parsed);
    return parsed && (*parsed)->is_public();
  };
  EXPECT_TRUE(is_public(one(R"("Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/*")")));
  EXPECT_TRUE(is_public(get_with(R"({"Bool":{"aws:SecureTransport":"true"}})")));
  EXPECT_TRUE(is_public(get_with(R"({"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}})")));
  EXPECT_TRUE(is_public(get_with(R"({"StringLike":{"aws:username":"*"}})")));
  EXPECT_FALSE(is_public(get_with(R"({"IpAddress":{"aws:SourceIp":"10.0.0.0/24"}})")));
  EXPECT_FALSE(is_public(get_with(R"({"StringEquals":{"aws:username":"alice"}})")));
  EXPECT_FALSE(is_public(R"({"Statement":[{"Effect":"Allow","Principal":{"AWS":"alice"},"Action":"s3:GetObject",)"
                         R"("Resource":"arn:aws:s3:::bkt/*"}]})"));
  EXPECT_FALSE(is_public(R"({"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",)"
                         R"("Resource":"arn:aws:s3:::bkt/*"}]})"));
}

TEST_F(PolicyTest, UsersPoliciesHaveNoPrincipal) {
  const Policy::Kind kind;
  EXPECT_TRUE(Policy::parse(R"({"Statement":{"Effect":"Allow","Action":["s3:*","iam:GetUser"],"Resource":"*"}})", kind));
  EXPECT_FALSE(Policy::parse(one(R"("Action":"s3:*","Resource":"*")"), kind));
}

}  // namespace

// The small languages of access: wildcards, access control lists as text, networks, the table of operations.
#include <gtest/gtest.h>

#include "api/access/acl.h"
#include "api/access/network.h"
#include "api/access/operation_rules.h"
#include "api/access/principal.h"
#include "api/access/wildcard.h"
#include "api/routes.h"
#include "api/secret.h"
#include "api/xml_reader.h"

namespace {

using api::Acl;
using api::AclCaller;
using api::Grantee;
using api::Permission;

TEST(Wildcard, Matches) {
  using api::matches_wildcard;
  EXPECT_TRUE(matches_wildcard("*", ""));
  EXPECT_TRUE(matches_wildcard("a*c*e", "abcde"));
  EXPECT_FALSE(matches_wildcard("a*c*e", "abcd"));
  EXPECT_TRUE(matches_wildcard("a?c", "abc"));
  EXPECT_FALSE(matches_wildcard("a?c", "ac"));
  EXPECT_TRUE(matches_wildcard("S3:GET*", "s3:GetObject", api::Letters::any_case));
  EXPECT_FALSE(matches_wildcard("S3:GET*", "s3:GetObject"));
}

// With one place to go back to, a pattern of many stars costs no more than its length times the text's.
TEST(Wildcard, ManyStarsAreCheap) {
  std::string pattern;
  for (int i = 0; i < 5000; ++i) pattern += "*a";
  EXPECT_FALSE(api::matches_wildcard(pattern + "b", std::string(1024, 'a')));
}

TEST(Network, Contains) {
  const auto inside = [](const char* network, const char* address) {
    return api::contains(*api::parse_network(network), *api::parse_address(address));
  };
  EXPECT_TRUE(inside("192.0.2.0/23", "192.0.3.255"));
  EXPECT_FALSE(inside("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(inside("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(inside("0.0.0.0/0", "::1"));
  EXPECT_TRUE(inside("::/0", "::1"));
  for (const char* wrong : {"", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "::/129", "x"}) EXPECT_FALSE(api::parse_network(wrong)) << wrong;
}

TEST(AclText, RoundTrip) {
  for (const char* name : {"public-read", "public-read-write", "authenticated-read", "bucket-owner-read"}) {
    const auto acl = api::canned_acl(name, "writer id,:%", "owner", false);
    ASSERT_TRUE(acl) << name;
    const std::string text = api::write_acl_text(*acl, "writer id,:%");
    EXPECT_EQ(api::read_acl_text(text, "writer id,:%").grants, acl->grants) << text;
  }
  EXPECT_EQ(api::write_acl_text(*api::canned_acl("private", "o", "o", false), "o"), "");
  EXPECT_EQ(api::read_acl_text("", "o").grants.size(), 1u);
  EXPECT_EQ(api::write_acl_text(Acl(), "o"), "-");
  EXPECT_TRUE(api::read_acl_text("-", "o").grants.empty());
  EXPECT_FALSE(api::canned_acl("log-delivery-write", "o", "o", false));
  EXPECT_TRUE(api::canned_acl("log-delivery-write", "o", "o", true));
  EXPECT_FALSE(api::canned_acl("Public-Read", "o", "o", true));
}

TEST(AclText, Allows) {
  const AclCaller nobody{api::kAnonymousId, true, false};
  const AclCaller owner{"o", false, false};
  const AclCaller other{"x y", false, false};
  EXPECT_TRUE(api::acl_allows("", "o", Permission::write, owner));
  EXPECT_FALSE(api::acl_allows("", "o", Permission::read, other));
  EXPECT_FALSE(api::acl_allows("", std::string(api::kAnonymousId), Permission::read, nobody)) << "nobody owns nothing";
  EXPECT_FALSE(api::acl_allows("-", "o", Permission::read, owner)) << "who takes the owner's grant away means it";
  EXPECT_TRUE(api::acl_allows("-", "o", Permission::write_acp, owner)) << "but the list itself stays in reach";
  EXPECT_TRUE(api::acl_allows("R:a", "o", Permission::read, nobody));
  EXPECT_FALSE(api::acl_allows("R:a", "o", Permission::write, nobody));
  EXPECT_FALSE(api::acl_allows("R:s", "o", Permission::read, nobody));
  EXPECT_TRUE(api::acl_allows("R:s", "o", Permission::read, other));
  EXPECT_TRUE(api::acl_allows("F:ux%20y", "o", Permission::read_acp, other));
  EXPECT_FALSE(api::acl_allows("R:ux%20y", "o", Permission::write, other));
  EXPECT_FALSE(api::acl_allows("W:l,C:l", "o", Permission::write, other));
  AclCaller blocked = nobody;
  blocked.ignore_public = true;
  EXPECT_FALSE(api::acl_allows("R:a", "o", Permission::read, blocked));
}

TEST(AclText, Documents) {
  api::UserFinder users;
  users.known_id = [](std::string_view id) { return id == "alice-id"; };
  users.id_of_email = [](std::string_view email) {
    return email == "alice@example.test" ? std::optional<std::string>("alice-id") : std::nullopt;
  };
  const auto parse = [&](const std::string& grantee, const std::string& permission) -> api::Outcome<Acl> {
    const auto tree = api::parse_xml("<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee>" +
                                         grantee + "</Grantee><Permission>" + permission +
                                         "</Permission></Grant></AccessControlList></AccessControlPolicy>",
                                     "AccessControlPolicy");
    EXPECT_TRUE(tree);
    return api::parse_acl_document(*tree, "o", users);
  };
  EXPECT_EQ(parse("<ID>alice-id</ID>", "READ")->grants.front().id, "alice-id");
  EXPECT_EQ(parse("<EmailAddress>alice@example.test</EmailAddress>", "WRITE_ACP")->grants.front().id, "alice-id");
  EXPECT_EQ(parse("<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>", "READ")->grants.front().grantee,
            Grantee::everybody);
  EXPECT_EQ(parse("<ID>who</ID>", "READ").error().error(), api::S3Error::invalid_argument);
  EXPECT_EQ(parse("<EmailAddress>x@y</EmailAddress>", "READ").error().error(),
            api::S3Error::unresolvable_grant_by_email_address);
  EXPECT_EQ(parse("<URI>http://x</URI>", "READ").error().error(), api::S3Error::invalid_argument);
  EXPECT_EQ(parse("<ID>alice-id</ID>", "EVERYTHING").error().error(), api::S3Error::malformed_acl);
  EXPECT_EQ(parse("<Nobody/>", "READ").error().error(), api::S3Error::malformed_acl);
  std::string many = "<AccessControlPolicy><AccessControlList>";
  for (std::size_t i = 0; i <= api::kGrantsMax; ++i) {
    many += "<Grant><Grantee><ID>alice-id</ID></Grantee><Permission>READ</Permission></Grant>";
  }
  const auto tree = api::parse_xml(many + "</AccessControlList></AccessControlPolicy>", "AccessControlPolicy");
  EXPECT_EQ(api::parse_acl_document(*tree, "o", users).error().error(), api::S3Error::malformed_acl);
}

TEST(AclText, GrantHeaders) {
  api::UserFinder users;
  users.known_id = [](std::string_view id) { return id.starts_with("u"); };
  users.id_of_email = [](std::string_view) { return std::nullopt; };
  const auto grants = api::parse_grant_header("x-amz-grant-read", "id=\"u1\", id=u2", Permission::read, users);
  ASSERT_TRUE(grants);
  EXPECT_EQ(grants->size(), 2u);
  EXPECT_EQ(grants->at(1).id, "u2");
  for (const char* wrong : {"", "id=x", "name=u1", "uri=http://x", "u1"}) {
    EXPECT_FALSE(api::parse_grant_header("x-amz-grant-read", wrong, Permission::read, users)) << wrong;
  }
}

// Every route needs something, and what it needs fits what it is about.
TEST(OperationRules, EveryRouteHasOne) {
  for (const api::Route& route : api::routes()) {
    const api::OperationRule& rule = api::rule_of(route);
    EXPECT_EQ(rule.operation, route.operation);
    EXPECT_NE(rule.action, api::Action::none) << route.operation;
    const bool by_key = (route.scope == api::Scope::object || route.scope == api::Scope::virtual_object) || route.operation == "DeleteObjects" ||
                        route.operation == "PostObject";
    EXPECT_EQ(api::is_object_action(rule.action), by_key) << route.operation;
    EXPECT_EQ(rule.acl == api::AclOf::nobody, rule.permission == Permission::none) << route.operation;
    bool known = false;
    EXPECT_TRUE(api::actions_like(api::action_name(rule.action), known).test(static_cast<std::size_t>(rule.action)));
  }
}

TEST(Secret, MovesAndEnds) {
  api::Secret one("key");
  api::Secret two(std::move(one));
  EXPECT_EQ(two.view(), "key");
  one = std::move(two);
  EXPECT_EQ(one.view(), "key");
  EXPECT_EQ(api::Secret(std::string(1000, 'x')).view().size(), api::kSecretBytesMax);
}

}  // namespace

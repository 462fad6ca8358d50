/*
 * TC3: the published vectors and others that independent signers agree on, the properties of the
 * canonical request, the cache of k3, and what is refused.
 */
#include "unit.h"

#include "base/instant.h"
#include "base/tc3.h"

#include <errno.h>
#include <stdio.h>

#define VENDOR_ID "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE"
#define VENDOR_KEY "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
#define STARS "********************************"
#define CVM "cvm.tencentcloudapi.com"
#define REDIS "redis.tencentcloudapi.com"
#define FINANCE "redis.ap-shanghai-fsi.tencentcloudapi.com"
#define JSON "application/json"
#define JSON_UTF8 "application/json; charset=utf-8"
#define CVM_BODY                                                                        \
    "{\"Limit\": 1, \"Filters\": [{\"Values\": [\"\\u672a\\u547d\\u540d\"], \"Name\": " \
    "\"instance-name\"}]}"
#define BACKUP_BODY "{\"InstanceId\":\"crs-5a4py64p\",\"Remark\":\"xxxx\"}"
#define UTF8_BODY                                                                                \
    "{\"InstanceId\":\"crs-5a4py64p\",\"Remark\":\"\xE6\xAF\x8F\xE6\x97\xA5\xE5\xA4\x87\xE4\xBB" \
    "\xBD\"}"
#define TASK_BODY "{\"TaskId\":6954227}"

struct vector {
    const char *id;
    const char *key;
    const char *host;
    const char *service;
    const char *type;
    const char *action; /* NULL: not signed */
    int64_t timestamp;
    const char *body;
    const char *canonical_hash; /* NULL: not published */
    const char *signature;
};

static const struct vector vectors[] = {
    /* The vendor's two published examples. */
    {VENDOR_ID, VENDOR_KEY, CVM, "cvm", JSON_UTF8, NULL, 1551113065, CVM_BODY,
     "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031",
     "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"},
    {"AKID" STARS, STARS, CVM, "cvm", JSON_UTF8, "DescribeInstances", 1551113065, CVM_BODY,
     "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84",
     "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"},
    /* Requests of this program. */
    {VENDOR_ID, VENDOR_KEY, REDIS, "redis", JSON, NULL, 1551113065, BACKUP_BODY, NULL,
     "b51d52c7d46ac79c1e06d37d4ce224e74a0cad62de9816cb7ba3383d8ab0d4f1"},
    {VENDOR_ID, VENDOR_KEY, FINANCE, "redis", JSON, NULL, 1551113065, BACKUP_BODY, NULL,
     "f0f9580b5de5102a2ab7cf4f6a11b5d2a196829e3085111e56605f447039b3d3"},
    {VENDOR_ID, VENDOR_KEY, REDIS, "redis", JSON, NULL, 1551113065, TASK_BODY, NULL,
     "e67cf4b3bfeea0db751e84dae0b551b409558c263fced499d9c3e25a9b4816e9"},
    /* The last second of a UTC day and the first of the next. */
    {VENDOR_ID, VENDOR_KEY, REDIS, "redis", JSON, NULL, 1767225599, TASK_BODY, NULL,
     "92beab42b44d2aa18feea36b6ba0bd0efa27e9109f4728a4b28af9a0a7486a4a"},
    {VENDOR_ID, VENDOR_KEY, REDIS, "redis", JSON, NULL, 1767225600, TASK_BODY, NULL,
     "f2b7a4a641bc78c146340eb024675f736dd7df19bebca69832eb50f1e197616d"},
    {VENDOR_ID, VENDOR_KEY, REDIS, "redis", JSON, NULL, 1551113065, UTF8_BODY, NULL,
     "c352f70141a7f59fb6d99a3d67c292a2b1fc74f3b63bc69b7b8013b3083b3959"},
};

static struct errtext err;

static int open_tc3(void **state)
{
    struct tc3 *tc3;
    int outcome = tc3_create(&tc3, &err);
    if (outcome == 0)
        *state = tc3;
    return outcome;
}

static int close_tc3(void **state)
{
    tc3_destroy(*state);
    return 0;
}

static struct secret secret_of(const char *key)
{
    struct secret secret;
    assert_int_equal(secret_set(&secret, key, strlen(key)), 0);
    return secret;
}

/* A request that is right; a test changes what it is about. */
static struct tc3_request good_request(const struct tc3_header *headers, size_t count)
{
    return (struct tc3_request){.method = "POST",
                                .query = "",
                                .service = "redis",
                                .timestamp = 1551113065,
                                .headers = headers,
                                .header_count = count,
                                .body = BACKUP_BODY,
                                .body_length = strlen(BACKUP_BODY)};
}

static const struct tc3_header good_headers[] = {{"Content-Type", JSON}, {"Host", REDIS}};

static void sign_well(struct tc3 *tc3, const struct tc3_request *request, struct tc3_signature *ret)
{
    struct secret key = secret_of(VENDOR_KEY);
    err.text[0] = '\0';
    if (tc3_sign(tc3, request, VENDOR_ID, &key, ret, &err) != 0)
        fail_msg("%s", err.text);
}

static void sign_vector(struct tc3 *tc3, const struct vector *v, struct tc3_signature *ret)
{
    struct tc3_header headers[3] = {{"Content-Type", v->type}, {"Host", v->host}};
    size_t count = 2;
    if (v->action != NULL)
        headers[count++] = (struct tc3_header){"X-TC-Action", v->action};
    struct tc3_request request = good_request(headers, count);
    request.service = v->service;
    request.timestamp = v->timestamp;
    request.body = v->body;
    request.body_length = strlen(v->body);
    struct secret key = secret_of(v->key);
    if (tc3_sign(tc3, &request, v->id, &key, ret, &err) != 0)
        fail_msg("%s", err.text);
}

static void vectors_hold(void **state)
{
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct tc3_signature made;
        sign_vector(*state, &vectors[i], &made);
        assert_string_equal(made.signature, vectors[i].signature);
        if (vectors[i].canonical_hash != NULL)
            assert_string_equal(made.canonical_hash, vectors[i].canonical_hash);
    }
}

static void texts_of_the_published_vector(void **state)
{
    struct tc3_signature made;
    sign_vector(*state, &vectors[0], &made);
    assert_string_equal(made.string_to_sign,
                        "TC3-HMAC-SHA256\n1551113065\n2019-02-25/cvm/tc3_request\n"
                        "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031");
    assert_string_equal(
        made.authorization,
        "TC3-HMAC-SHA256 Credential=" VENDOR_ID "/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host, "
        "Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168");
}

static void keys_of_the_published_vector(void **state)
{
    (void)state;
    static const char *const expected[3] = {
        "d1308c81fe71cfd4e06437bbc067b2b8a3d2d8c0e375d547f15c41d5214b395a",
        "3c7cb7c7795393edc14fd2e0e6434a518564b4504b88e94f5d11bf59ba3e7050",
        "ac658d5dde49e9bfdd14e04e062f66b05d9f637d44b8a8d845327d4a77f666b1",
    };
    struct digest *digest;
    struct secret key = secret_of(VENDOR_KEY);
    uint8_t keys[3][DIGEST_SIZE];
    assert_int_equal(digest_create(&digest, &err), 0);
    assert_int_equal(tc3_derive(digest, &key, "2019-02-25", "cvm", keys), 0);
    for (size_t i = 0; i < 3; i++) {
        char hex[DIGEST_HEX_SIZE];
        assert_string_equal(digest_hex(keys[i], hex), expected[i]);
    }
    digest_destroy(digest);
}

/* Order, case and surrounding blanks of headers are the wire's business, not the signature's. */
static void spelling_does_not_matter(void **state)
{
    static const struct tc3_header spellings[][3] = {
        {{"content-type", JSON}, {"host", REDIS}, {"x-tc-action", "manualbackupinstance"}},
        {{"X-TC-Action", "ManualBackupInstance"}, {"Host", REDIS}, {"Content-Type", JSON}},
        {{"HOST", "Redis.TencentCloudAPI.com"},
         {"X-Tc-Action", "MANUALBACKUPINSTANCE"},
         {"CONTENT-TYPE", "APPLICATION/JSON"}},
        {{"Content-Type", "  \t" JSON " "},
         {"X-TC-Action", "\tManualBackupInstance"},
         {"Host", REDIS "  "}},
    };
    struct tc3_signature first;
    struct tc3_request request = good_request(spellings[0], 3);
    sign_well(*state, &request, &first);
    assert_non_null(strstr(first.authorization, "SignedHeaders=content-type;host;x-tc-action,"));
    for (size_t i = 1; i < COUNT(spellings); i++) {
        struct tc3_signature made;
        request = good_request(spellings[i], 3);
        sign_well(*state, &request, &made);
        assert_string_equal(made.canonical_hash, first.canonical_hash);
        assert_string_equal(made.authorization, first.authorization);
    }
}

/* A name that begins another one stands before it; '-' stands before letters. */
static void names_are_sorted_as_bytes(void **state)
{
    static const struct tc3_header headers[] = {
        {"x-tc", "5"}, {"host", REDIS}, {"x-a", "3"},  {"x_a", "6"},
        {"x", "1"},    {"x-", "2"},     {"x-ab", "4"}, {"content-type", JSON},
    };
    struct tc3_signature made;
    struct tc3_request request = good_request(headers, COUNT(headers));
    sign_well(*state, &request, &made);
    assert_non_null(
        strstr(made.authorization, "SignedHeaders=content-type;host;x;x-;x-a;x-ab;x-tc;x_a, "));
}

/* What is inside a value counts; only its ends are trimmed. */
static void values_matter(void **state)
{
    static const char *const hosts[] = {REDIS,   REDIS ":443",      REDIS ":8443",
                                        FINANCE, "127.0.0.1:18443", "[::1]:18443"};
    char seen[COUNT(hosts)][DIGEST_HEX_SIZE];
    for (size_t i = 0; i < COUNT(hosts); i++) {
        struct tc3_header headers[] = {{"Content-Type", JSON}, {"Host", hosts[i]}};
        struct tc3_request request = good_request(headers, 2);
        struct tc3_signature made;
        sign_well(*state, &request, &made);
        memcpy(seen[i], made.signature, sizeof seen[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
    struct tc3_signature one;
    struct tc3_signature two;
    struct tc3_header inner[] = {{"Content-Type", "application/json; charset=utf-8"},
                                 {"Host", REDIS}};
    struct tc3_request request = good_request(inner, 2);
    sign_well(*state, &request, &one);
    inner[0].value = "application/json;  charset=utf-8";
    sign_well(*state, &request, &two);
    assert_string_not_equal(one.signature, two.signature);
}

static void every_byte_of_the_body_matters(void **state)
{
    char body[] = BACKUP_BODY "\0tail";
    size_t length = sizeof body - 1;
    struct tc3_request request = good_request(good_headers, 2);
    request.body = body;
    request.body_length = length;
    struct tc3_signature whole;
    struct tc3_signature changed;
    sign_well(*state, &request, &whole);
    for (size_t i = 0; i < length; i++) {
        body[i] = (char)(body[i] ^ 1);
        sign_well(*state, &request, &changed);
        assert_string_not_equal(changed.signature, whole.signature);
        body[i] = (char)(body[i] ^ 1);
    }
    for (size_t shorter = 0; shorter < length; shorter++) {
        request.body_length = shorter;
        sign_well(*state, &request, &changed);
        assert_string_not_equal(changed.signature, whole.signature);
    }
    request.body_length = length;
    sign_well(*state, &request, &changed);
    assert_string_equal(changed.signature, whole.signature);
}

static void the_date_is_that_of_the_stamp_in_utc(void **state)
{
    static const struct {
        int64_t timestamp;
        const char *scope;
    } rows[] = {
        {0, "\n0\n1970-01-01/redis/tc3_request\n"},
        {86399, "\n86399\n1970-01-01/redis/tc3_request\n"},
        {86400, "\n86400\n1970-01-02/redis/tc3_request\n"},
        {951782400, "\n951782400\n2000-02-29/redis/tc3_request\n"},
        {1767225599, "\n1767225599\n2025-12-31/redis/tc3_request\n"},
        {1767225600, "\n1767225600\n2026-01-01/redis/tc3_request\n"},
        {253402300799, "\n253402300799\n9999-12-31/redis/tc3_request\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tc3_request request = good_request(good_headers, 2);
        request.timestamp = rows[i].timestamp;
        struct tc3_signature made;
        sign_well(*state, &request, &made);
        assert_non_null(strstr(made.string_to_sign, rows[i].scope));
    }
}

static void a_get_signs_its_query(void **state)
{
    struct tc3_request request = good_request(good_headers, 2);
    request.method = "GET";
    request.body = NULL;
    request.body_length = 0;
    request.query = "Limit=1&Offset=0";
    struct tc3_signature one;
    struct tc3_signature two;
    sign_well(*state, &request, &one);
    request.query = "Limit=1&Offset=1";
    sign_well(*state, &request, &two);
    assert_string_not_equal(one.signature, two.signature);
    /* The canonical request spelt out, as its definition has it. */
    static const char canonical[] =
        "GET\n/\nLimit=1&Offset=1\ncontent-type:application/json\nhost:" REDIS "\n\n"
        "content-type;host\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    struct digest *digest;
    uint8_t hash[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    assert_int_equal(digest_create(&digest, &err), 0);
    assert_int_equal(digest_sha256(digest, canonical, strlen(canonical), hash), 0);
    assert_string_equal(digest_hex(hash, hex), two.canonical_hash);
    digest_destroy(digest);
}

/* A cached k3 gives what a fresh one gives, whatever alternates with it. */
static void cached_equals_fresh(void **state)
{
    static const char *const services[] = {"redis", "sts", "red", "rediss"};
    struct secret keys[4];
    assert_int_equal(secret_set(&keys[0], VENDOR_KEY, strlen(VENDOR_KEY)), 0);
    assert_int_equal(secret_set(&keys[1], "k\0a", 3), 0);
    assert_int_equal(secret_set(&keys[2], "k\0b", 3), 0);
    assert_int_equal(secret_set(&keys[3], "k", 1), 0);
    static const int64_t stamps[] = {1767225599, 1767225600, 1767225601, 1551113065};
    uint64_t seed = 20260101;
    for (int round = 0; round < 400; round++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        unsigned pick = (unsigned)(seed >> 40);
        struct tc3_request request = good_request(good_headers, 2);
        request.service = services[pick & 3];
        request.timestamp = stamps[pick >> 2 & 3];
        const struct secret *key = &keys[pick >> 4 & 3];
        request.key_generation = (pick >> 4 & 3) + 1;
        struct tc3 *other;
        struct tc3_signature cached;
        struct tc3_signature fresh;
        assert_int_equal(tc3_create(&other, &err), 0);
        assert_int_equal(tc3_sign(*state, &request, VENDOR_ID, key, &cached, &err), 0);
        assert_int_equal(tc3_sign(other, &request, VENDOR_ID, key, &fresh, &err), 0);
        assert_string_equal(cached.authorization, fresh.authorization);
        assert_string_equal(cached.string_to_sign, fresh.string_to_sign);
        tc3_destroy(other);
    }
}

/* Keys are bytes: one that goes on behind a zero is another key. */
static void keys_are_bytes(void **state)
{
    struct secret a;
    struct secret b;
    assert_int_equal(secret_set(&a, "k\0a", 3), 0);
    assert_int_equal(secret_set(&b, "k\0b", 3), 0);
    struct tc3_request request = good_request(good_headers, 2);
    struct tc3_signature by_a;
    struct tc3_signature by_b;
    assert_int_equal(tc3_sign(*state, &request, VENDOR_ID, &a, &by_a, &err), 0);
    assert_int_equal(tc3_sign(*state, &request, VENDOR_ID, &b, &by_b, &err), 0);
    assert_string_not_equal(by_a.signature, by_b.signature);

    char longest[SECRET_MAX];
    memset(longest, (char)0xFF, sizeof longest);
    assert_int_equal(secret_set(&a, longest, sizeof longest), 0);
    assert_int_equal(tc3_sign(*state, &request, VENDOR_ID, &a, &by_a, &err), 0);
    assert_string_not_equal(by_a.signature, by_b.signature);
}

/* `ret` is untouched and the text says something, without the key. */
static void refuse(struct tc3 *tc3, const struct tc3_request *request, const char *id,
                   const char *key, int outcome)
{
    struct secret secret = secret_of(key);
    struct tc3_signature made;
    struct tc3_signature before;
    memset(&made, '#', sizeof made);
    memset(&before, '#', sizeof before);
    err.text[0] = '\0';
    assert_int_equal(tc3_sign(tc3, request, id, &secret, &made, &err), outcome);
    assert_memory_equal(&made, &before, sizeof made);
    assert_true(strlen(err.text) > 10);
    assert_null(strchr(err.text, '\n'));
    assert_null(strstr(err.text, VENDOR_KEY));
}

static void bad_headers_are_refused(void **state)
{
    static const struct tc3_header rows[][3] = {
        {{"Content-Type", JSON}, {"X-Other", "x"}, {"X-More", "y"}}, /* no host */
        {{"Host", REDIS}, {"X-Other", "x"}, {"X-More", "y"}},        /* no content type */
        {{"Host", REDIS}, {"Content-Type", " \t"}, {"X-More", "y"}}, /* an empty one */
        {{"Host", ""}, {"Content-Type", JSON}, {"X-More", "y"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"hOST", REDIS}}, /* doubled */
        {{"Host", REDIS}, {"Content-Type", JSON}, {"X-A", "a\nhost:evil"}},
        {{"Host", REDIS "\n"}, {"Content-Type", JSON}, {"X-A", "a"}}, /* also at the end */
        {{"Host", REDIS}, {"Content-Type", JSON "\r"}, {"X-A", "a"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"X-A", "a\tb"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"X-A", "a\x7F"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"X-A", "\x01"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"X-A", "\xC3\xA9"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"", "a"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"X:A", "a"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"X;A", "a"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"X A", "a"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"X\nA", "a"}},
        {{"Host", REDIS}, {"Content-Type", JSON}, {"\xC3\xA9", "a"}},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tc3_request request = good_request(rows[i], 3);
        refuse(*state, &request, VENDOR_ID, VENDOR_KEY, -EINVAL);
    }
    struct tc3_request none = good_request(NULL, 0);
    refuse(*state, &none, VENDOR_ID, VENDOR_KEY, -EINVAL);
}

static void bad_requests_are_refused(void **state)
{
    static const struct {
        const char *method;
        const char *query;
        const char *service;
        int64_t timestamp;
        size_t body_length;
    } rows[] = {
        {"post", "", "redis", 1, 2},
        {"PUT", "", "redis", 1, 2},
        {"", "", "redis", 1, 2},
        {"POST\n", "", "redis", 1, 2},
        {"POST", "a=b", "redis", 1, 2},
        {"GET", "a=b\n", "redis", 1, 0},
        {"GET", "a= b", "redis", 1, 0},
        {"GET", "a=\xC3\xA9", "redis", 1, 0},
        {"GET", "a=b", "redis", 1, 2},
        {"POST", "", "", 1, 2},
        {"POST", "", "redis/x", 1, 2},
        {"POST", "", "redis\n", 1, 2},
        {"POST", "", "Redis", 1, 2},
        {"POST", "", "r23456789012345678901234567890123", 1, 2},
        {"POST", "", "redis", -1, 2},
        {"POST", "", "redis", INT64_MIN, 2},
        {"POST", "", "redis", WALL_MAX_SECOND + 1, 2},
        {"POST", "", "redis", INT64_MAX, 2},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tc3_request request = good_request(good_headers, 2);
        request.method = rows[i].method;
        request.query = rows[i].query;
        request.service = rows[i].service;
        request.timestamp = rows[i].timestamp;
        request.body = "{}";
        request.body_length = rows[i].body_length;
        refuse(*state, &request, VENDOR_ID, VENDOR_KEY, -EINVAL);
    }
    struct tc3_request longest_service = good_request(good_headers, 2);
    longest_service.service = "r2345678901234567890123456789012";
    longest_service.timestamp = WALL_MAX_SECOND;
    struct tc3_signature made;
    sign_well(*state, &longest_service, &made);
    assert_non_null(strstr(made.string_to_sign, longest_service.service));
}

static void bad_keys_are_refused(void **state)
{
    static const char *const ids[] = {"",       " ",      "AKID x",       "AKID,x",
                                      "AKID/x", "AKID\n", "AKID\xC3\xA9", "AKID\x7F"};
    struct tc3_request request = good_request(good_headers, 2);
    for (size_t i = 0; i < COUNT(ids); i++)
        refuse(*state, &request, ids[i], VENDOR_KEY, -EINVAL);
    char id[TC3_SECRET_ID_MAX + 2];
    memset(id, 'A', sizeof id);
    id[TC3_SECRET_ID_MAX + 1] = '\0';
    refuse(*state, &request, id, VENDOR_KEY, -EINVAL);
    refuse(*state, &request, VENDOR_ID, "", -EINVAL);

    id[TC3_SECRET_ID_MAX] = '\0';
    struct tc3_signature made;
    struct secret key = secret_of(VENDOR_KEY);
    assert_int_equal(tc3_sign(*state, &request, id, &key, &made, &err), 0);
    assert_non_null(strstr(made.authorization, id));
}

/* A refusal leaves the cache as it was: the next signature is right. */
static void signs_on_after_a_refusal(void **state)
{
    struct tc3_request request = good_request(good_headers, 2);
    struct tc3_signature before;
    struct tc3_signature after;
    sign_well(*state, &request, &before);
    refuse(*state, &request, VENDOR_ID, "", -EINVAL);
    refuse(*state, &request, "a b", "another", -EINVAL);
    sign_well(*state, &request, &after);
    assert_string_equal(before.authorization, after.authorization);
}

static void sizes_have_bounds(void **state)
{
    struct tc3_header headers[TC3_HEADERS_MAX + 1];
    char names[TC3_HEADERS_MAX + 1][64];
    headers[0] = (struct tc3_header){"Content-Type", JSON};
    headers[1] = (struct tc3_header){"Host", REDIS};
    for (size_t i = 2; i <= TC3_HEADERS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "x-%02zu", i);
        headers[i] = (struct tc3_header){names[i], "v"};
    }
    struct tc3_signature made;
    struct tc3_request request = good_request(headers, TC3_HEADERS_MAX);
    sign_well(*state, &request, &made);
    request.header_count = TC3_HEADERS_MAX + 1;
    refuse(*state, &request, VENDOR_ID, VENDOR_KEY, -E2BIG);

    /* One value grows from a canonical request that fits to one that does not, byte by byte. */
    static char value[TC3_CANONICAL_MAX + 1];
    struct tc3_header grown[] = {{"Content-Type", JSON}, {"Host", REDIS}, {"X-TC-Token", value}};
    request = good_request(grown, 3);
    size_t fits = 0;
    for (size_t length = TC3_CANONICAL_MAX - 400; length < TC3_CANONICAL_MAX; length++) {
        memset(value, 'v', length);
        value[length] = '\0';
        struct secret key = secret_of(VENDOR_KEY);
        int outcome = tc3_sign(*state, &request, VENDOR_ID, &key, &made, &err);
        if (outcome == 0)
            fits = length;
        else
            assert_int_equal(outcome, -E2BIG);
        assert_true(outcome == 0 ? fits == length : fits < length);
    }
    assert_in_range(fits, TC3_CANONICAL_MAX - 300, TC3_CANONICAL_MAX - 100);

    /* Long names fit the canonical request but not the Authorization header. */
    for (size_t i = 2; i < TC3_HEADERS_MAX; i++) {
        memset(names[i], 'n', sizeof names[i]);
        names[i][sizeof names[i] - 1] = '\0';
        names[i][0] = (char)('a' + i);
    }
    request = good_request(headers, TC3_HEADERS_MAX);
    refuse(*state, &request, VENDOR_ID, VENDOR_KEY, -E2BIG);
}

int main(void)
{
#define SIGNING_TEST(test) cmocka_unit_test_setup_teardown(test, open_tc3, close_tc3)
    const struct CMUnitTest tests[] = {
        SIGNING_TEST(vectors_hold),
        SIGNING_TEST(texts_of_the_published_vector),
        cmocka_unit_test(keys_of_the_published_vector),
        SIGNING_TEST(spelling_does_not_matter),
        SIGNING_TEST(names_are_sorted_as_bytes),
        SIGNING_TEST(values_matter),
        SIGNING_TEST(every_byte_of_the_body_matters),
        SIGNING_TEST(the_date_is_that_of_the_stamp_in_utc),
        SIGNING_TEST(a_get_signs_its_query),
        SIGNING_TEST(cached_equals_fresh),
        SIGNING_TEST(keys_are_bytes),
        SIGNING_TEST(bad_headers_are_refused),
        SIGNING_TEST(bad_requests_are_refused),
        SIGNING_TEST(bad_keys_are_refused),
        SIGNING_TEST(signs_on_after_a_refusal),
        SIGNING_TEST(sizes_have_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

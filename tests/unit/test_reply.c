/*
 * Verdicts: every code and its class, the fallbacks, what a reply may hold, what it may not, and
 * bodies that no one would send on purpose. Bodies are handed over in blocks of exactly their size.
 */
#include "unit.h"

#include "base/reply.h"
#include "base/text.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ID "4daddc97-0005-45d8-b5b8-38514ec1e97c"
#define WITH_ID ",\"RequestId\":\"" ID "\"}}"

static struct verdict judge_bytes(int status, const char *body, size_t length)
{
    char *block = malloc(length > 0 ? length : 1);
    assert_non_null(block);
    if (length > 0)
        memcpy(block, body, length);
    struct exchange exchange = {.kind = EXCHANGE_ANSWERED,
                                .http_status = status,
                                .body = block,
                                .body_length = length,
                                .date_second = 1551113065};
    struct verdict verdict;
    memset(&verdict, '#', sizeof verdict);
    reply_judge(&exchange, &verdict);
    free(block);
    assert_int_equal(verdict.http_status, status);
    assert_true(verdict.date_second == 1551113065);
    assert_true(text_is_utf8(verdict.message, strlen(verdict.message)));
    assert_null(strpbrk(verdict.message, "\n\r\t\x1b"));
    assert_true((verdict.class == VERDICT_ACCEPTED) == (verdict.task_id > 0));
    assert_true((verdict.class == VERDICT_ACCEPTED) == (verdict.code[0] == '\0'));
    return verdict;
}

static struct verdict judge(int status, const char *body)
{
    return judge_bytes(status, body, strlen(body));
}

static struct verdict judge_code(const char *code)
{
    char body[512];
    (void)snprintf(body, sizeof body,
                   "{\"Response\":{\"Error\":{\"Code\":\"%s\",\"Message\":\"m\"}" WITH_ID, code);
    return judge(200, body);
}

static const struct {
    const char *code;
    enum verdict_class class;
} codes[] = {
    {"RequestLimitExceeded", VERDICT_THROTTLED},
    {"RequestLimitExceeded.GlobalRegionUinLimitExceeded", VERDICT_THROTTLED},
    {"RequestLimitExceeded.IPLimitExceeded", VERDICT_THROTTLED},
    {"RequestLimitExceeded.UinLimitExceeded", VERDICT_THROTTLED},
    {"AuthFailure.SignatureExpire", VERDICT_CLOCK},
    {"ResourceUnavailable.InstanceLockedError", VERDICT_BUSY},
    {"ResourceUnavailable.InstanceStateError", VERDICT_BUSY},
    {"ResourceUnavailable.InstanceStatusAbnormal", VERDICT_BUSY},
    {"ResourceUnavailable.InstanceStatusError", VERDICT_BUSY},
    {"ResourceUnavailable", VERDICT_BUSY},
    {"ResourceInUse", VERDICT_BUSY},
    {"ResourceInsufficient", VERDICT_BUSY},
    {"ServiceUnavailable", VERDICT_BUSY},
    {"InternalError", VERDICT_AMBIGUOUS},
    {"InternalError.InternalError", VERDICT_AMBIGUOUS},
    {"FailedOperation", VERDICT_AMBIGUOUS},
    {"FailedOperation.SystemError", VERDICT_AMBIGUOUS},
    {"FailedOperation.CommitFlowError", VERDICT_AMBIGUOUS},
    {"FailedOperation.ServiceAccessError", VERDICT_AMBIGUOUS},
    {"ResponseSizeLimitExceeded", VERDICT_AMBIGUOUS},
    {"AuthFailure.InvalidAuthorization", VERDICT_FINAL},
    {"AuthFailure.InvalidSecretId", VERDICT_FINAL},
    {"AuthFailure.MFAFailure", VERDICT_FINAL},
    {"AuthFailure.SecretIdNotFound", VERDICT_FINAL},
    {"AuthFailure.SignatureFailure", VERDICT_FINAL},
    {"AuthFailure.TokenFailure", VERDICT_FINAL},
    {"AuthFailure.UnauthorizedOperation", VERDICT_FINAL},
    {"UnauthorizedOperation", VERDICT_FINAL},
    {"UnauthorizedOperation.NoCAMAuthed", VERDICT_FINAL},
    {"InvalidParameter", VERDICT_FINAL},
    {"InvalidParameter.InvalidParameter", VERDICT_FINAL},
    {"InvalidParameter.PermissionDenied", VERDICT_FINAL},
    {"InvalidParameterValue", VERDICT_FINAL},
    {"InvalidRequest", VERDICT_FINAL},
    {"MissingParameter", VERDICT_FINAL},
    {"UnknownParameter", VERDICT_FINAL},
    {"InvalidAction", VERDICT_FINAL},
    {"ActionOffline", VERDICT_FINAL},
    {"DryRunOperation", VERDICT_FINAL},
    {"NoSuchProduct", VERDICT_FINAL},
    {"NoSuchVersion", VERDICT_FINAL},
    {"RequestSizeLimitExceeded", VERDICT_FINAL},
    {"ResourceNotFound", VERDICT_FINAL},
    {"ResourceNotFound.InstanceNotExists", VERDICT_FINAL},
    {"ResourceUnavailable.InstanceDeleted", VERDICT_FINAL},
    {"ResourceUnavailable.InstanceIsolated", VERDICT_FINAL},
    {"UnsupportedOperation", VERDICT_FINAL},
    {"UnsupportedProtocol", VERDICT_FINAL},
    {"UnsupportedRegion", VERDICT_FINAL},
    {"IpInBlacklist", VERDICT_FINAL},
    {"IpNotInWhitelist", VERDICT_FINAL},
    {"LimitExceeded", VERDICT_FINAL},
};

static void every_code_has_its_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        struct verdict verdict = judge_code(codes[i].code);
        if (verdict.class != codes[i].class)
            fail_msg("%s is %s", codes[i].code, verdict_class_name(verdict.class));
        assert_string_equal(verdict.code, codes[i].code);
        assert_string_equal(verdict.message, "m");
        assert_string_equal(verdict.request_id, ID);
        assert_int_equal(reply_class_of(codes[i].code), codes[i].class);
        struct reply_explanation explanation = reply_explain(codes[i].code);
        if (!explanation.known)
            fail_msg("%s is not in the table", codes[i].code);
        assert_true(strlen(explanation.meaning) > 20);
        assert_true(strlen(explanation.daemon) > 20);
        assert_true(strlen(explanation.person) > 10);
    }
}

static void unknown_codes_fall_to_their_first_part(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        enum verdict_class class;
    } rows[] = {
        {"RequestLimitExceeded.SomethingNew", VERDICT_THROTTLED},
        {"ResourceInUse.Anything", VERDICT_BUSY},
        {"ResourceUnavailable.SomethingNew", VERDICT_BUSY},
        {"InternalError.DbError", VERDICT_AMBIGUOUS},
        {"FailedOperation.SomethingNew", VERDICT_AMBIGUOUS},
        {"AuthFailure.SomethingNew", VERDICT_FINAL},
        {"AuthFailure.SignatureExpired", VERDICT_FINAL}, /* not the clock's code */
        {"UnauthorizedOperation.SomethingNew", VERDICT_FINAL},
        {"InvalidParameter.SomethingNew", VERDICT_FINAL},
        {"InvalidParameterValue.SomethingNew", VERDICT_FINAL},
        {"ResourceNotFound.A.B", VERDICT_FINAL},
        {"UnsupportedOperation.SomethingNew", VERDICT_FINAL},
        {"UnsupportedSomething", VERDICT_FINAL},
        {"LimitExceeded.Quota", VERDICT_FINAL},
        {"SomethingNew", VERDICT_AMBIGUOUS},
        {"SomethingNew.InternalError", VERDICT_AMBIGUOUS},
        {"Resource", VERDICT_AMBIGUOUS},
        {"requestlimitexceeded", VERDICT_AMBIGUOUS},
        {"InvalidParameterFoo", VERDICT_AMBIGUOUS},
        {".InvalidParameter", VERDICT_AMBIGUOUS},
        {"", VERDICT_AMBIGUOUS},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(reply_class_of(rows[i].code), rows[i].class);
        struct reply_explanation explanation = reply_explain(rows[i].code);
        assert_false(explanation.known);
        assert_true(strlen(explanation.meaning) > 20);
        assert_true(strlen(explanation.person) > 10);
        if (rows[i].code[0] == '\0')
            continue; /* no code at all is not a code: another test's */
        struct verdict verdict = judge_code(rows[i].code);
        assert_int_equal(verdict.class, rows[i].class);
        assert_string_equal(verdict.code, rows[i].code);
    }
    assert_non_null(
        strstr(reply_explain("InvalidParameter.PermissionDenied").meaning, "permission"));
}

static void a_task_id_is_accepted_in_both_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int64_t task_id;
    } rows[] = {
        {"{\"Response\":{\"TaskId\":6954227" WITH_ID, 6954227},
        {"{\"Response\":{\"TaskId\":\"6954227\"" WITH_ID, 6954227},
        {"{\"Response\":{\"RequestId\":\"" ID "\",\"TaskId\":9007199254740993}}",
         INT64_C(9007199254740993)},
        {"{\"Response\":{\"TaskId\":9223372036854775807" WITH_ID, INT64_MAX},
        {"{\"Response\":{\"TaskId\":\"9223372036854775807\"" WITH_ID, INT64_MAX},
        {" {\n \"Response\" : { \"TaskId\" : 1 , \"RequestId\" : \"" ID "\" , \"New\" : [{}] } , "
         "\"More\" : 1 }\r\n",
         1},
        {"{\"Response\":{\"Error\":null,\"TaskId\":5" WITH_ID, 5},
        {"{\"A\":1,\"Response\":{\"B\":\"\\\"TaskId\\\":2\",\"C\":[3,-4.5],\"TaskId\":"
         "9007199254740993" WITH_ID,
         INT64_C(9007199254740993)},
        {"{\"TaskId\":9007199254740992,\"Response\":{\"TaskId\":9007199254740993" WITH_ID,
         INT64_C(9007199254740993)},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct verdict verdict = judge(200, rows[i].body);
        if (verdict.class != VERDICT_ACCEPTED)
            fail_msg("%s: %s", rows[i].body, verdict.message);
        assert_true(verdict.task_id == rows[i].task_id);
        assert_string_equal(verdict.request_id, ID);
    }
}

/* With a RequestId wherever the body holds one that is whole. */
static void what_cannot_be_understood_is_ambiguous(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *request_id;
    } rows[] = {
        {"", ""},
        {"null", ""},
        {"[]", ""},
        {"\"Response\"", ""},
        {"{}", ""},
        {"<html>OK</html>", ""},
        {"{\"Response\":null}", ""},
        {"{\"Response\":[]}", ""},
        {"{\"Response\":{}}", ""},
        {"{\"response\":{\"TaskId\":1" WITH_ID, ""},
        {"{\"Response\":{\"RequestId\":\"" ID "\"}}", ID},
        {"{\"Response\":{\"TaskId\":null" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":0" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":-5" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":1.5" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":1e3" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":9223372036854775808" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":\"\"" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":\"12x\"" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":true" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":[1]" WITH_ID, ID},
        {"{\"Response\":{\"taskid\":1" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":1,\"TaskId\":1" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":1,\"Task\\u0049d\":2" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\\u0000\":1" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":1,\"Error\":{\"Code\":\"InvalidParameter\"}" WITH_ID, ID},
        {"{\"Response\":{\"Error\":{\"Code\":\"InvalidParameter\"},\"Error\":{}" WITH_ID, ID},
        {"{\"Response\":{\"Error\":{\"Code\":\"A\",\"Code\":\"B\"}" WITH_ID, ID},
        {"{\"Response\":{\"Error\":{}" WITH_ID, ID},
        {"{\"Response\":{\"Error\":\"InvalidParameter\"" WITH_ID, ID},
        {"{\"Response\":{\"Error\":{\"Code\":7}" WITH_ID, ID},
        {"{\"Response\":{\"Error\":{\"Code\":\"\"}" WITH_ID, ID},
        {"{\"Response\":{\"Error\":{\"Code\":\"Invalid Parameter\"}" WITH_ID, ID},
        {"{\"Response\":{\"Error\":{\"Code\":\"InvalidParameter\\n\"}" WITH_ID, ID},
        {"{\"Response\":{\"Error\":{\"Code\":\"InvalidParameter\\u0000\"}" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":1},\"Response\":{\"TaskId\":1" WITH_ID, ID},
        {"{\"Response\":{\"TaskId\":1" WITH_ID "x", ID},
        {"{\"Response\":{\"TaskId\":1" WITH_ID "{}", ID},
        {"{\"Response\":{\"TaskId\":1,\"RequestId\":\"" ID "\"", ID},
        {"{\"Response\":{\"TaskId\":1,\"RequestId\":\"" ID, ""},
        {"{\"Response\":{\"TaskId\":1,\"RequestId\": \"a b\",", ""},
        {"\xEF\xBB\xBF{\"Response\":{\"TaskId\":1" WITH_ID, ID},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct verdict verdict = judge(200, rows[i].body);
        if (verdict.class != VERDICT_AMBIGUOUS)
            fail_msg("%s is %s", rows[i].body, verdict_class_name(verdict.class));
        assert_string_equal(verdict.code, "Client.BadReply");
        assert_string_equal(verdict.request_id, rows[i].request_id);
        assert_true(strlen(verdict.message) > 10);
    }
}

static void a_zero_byte_ends_nothing(void **state)
{
    (void)state;
    static const char after[] = "{\"Response\":{\"TaskId\":1" WITH_ID "\0";
    static const char inside[] = "{\"Response\":{\"TaskId\":1\0" WITH_ID;
    static const char before[] = "\0{\"Response\":{\"TaskId\":1" WITH_ID;
    assert_int_equal(judge_bytes(200, after, sizeof after - 1).class, VERDICT_AMBIGUOUS);
    assert_int_equal(judge_bytes(200, inside, sizeof inside - 1).class, VERDICT_AMBIGUOUS);
    assert_int_equal(judge_bytes(200, before, sizeof before - 1).class, VERDICT_AMBIGUOUS);
    /* Without them the same body is good. */
    assert_int_equal(judge_bytes(200, after, sizeof after - 2).class, VERDICT_ACCEPTED);
}

static void every_truncation_is_ambiguous(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"Response\":{\"TaskId\":6954227" WITH_ID,
        "{\"Response\":{\"Error\":{\"Code\":\"InvalidParameter\",\"Message\":\"\\u6bcf\"}" WITH_ID,
    };
    for (size_t i = 0; i < COUNT(bodies); i++)
        for (size_t length = 0; length < strlen(bodies[i]); length++)
            assert_int_equal(judge_bytes(200, bodies[i], length).class, VERDICT_AMBIGUOUS);
}

static void other_statuses_are_the_gateways(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum verdict_class class;
    } rows[] = {
        {500, VERDICT_AMBIGUOUS}, {501, VERDICT_AMBIGUOUS}, {502, VERDICT_AMBIGUOUS},
        {503, VERDICT_AMBIGUOUS}, {504, VERDICT_AMBIGUOUS}, {599, VERDICT_AMBIGUOUS},
        {201, VERDICT_AMBIGUOUS}, {204, VERDICT_AMBIGUOUS}, {408, VERDICT_AMBIGUOUS},
        {418, VERDICT_AMBIGUOUS}, {499, VERDICT_AMBIGUOUS}, {0, VERDICT_AMBIGUOUS},
        {-1, VERDICT_AMBIGUOUS},  {301, VERDICT_FINAL},     {302, VERDICT_FINAL},
        {400, VERDICT_FINAL},     {401, VERDICT_FINAL},     {403, VERDICT_FINAL},
        {404, VERDICT_FINAL},     {407, VERDICT_FINAL},     {413, VERDICT_FINAL},
        {429, VERDICT_THROTTLED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char code[32];
        (void)snprintf(code, sizeof code, "HTTP.%d", rows[i].status);
        struct verdict verdict = judge(rows[i].status, "<html>\n<h1>Sorry</h1></html>");
        assert_int_equal(verdict.class, rows[i].class);
        assert_string_equal(verdict.code, code);
        assert_int_equal(reply_class_of(code), rows[i].class);
        /* A task id in it: it has acted, whatever it says. */
        verdict = judge(rows[i].status, "{\"Response\":{\"TaskId\":1" WITH_ID);
        assert_int_equal(verdict.class, VERDICT_AMBIGUOUS);
        assert_string_equal(verdict.code, code);
        assert_string_equal(verdict.request_id, ID);
    }
}

static void an_api_error_rules_but_under_5xx(void **state)
{
    (void)state;
    static const char body[] =
        "{\"Response\":{\"Error\":{\"Code\":\"ServiceUnavailable\",\"Message\":\"later\"}" WITH_ID;
    struct verdict verdict = judge(400, body);
    assert_int_equal(verdict.class, VERDICT_BUSY);
    assert_string_equal(verdict.code, "ServiceUnavailable");
    verdict = judge(503, body);
    assert_int_equal(verdict.class, VERDICT_AMBIGUOUS);
    assert_string_equal(verdict.code, "HTTP.503");
    assert_string_equal(verdict.message, "HTTP status 503: ServiceUnavailable: later");
    assert_string_equal(verdict.request_id, ID);
    verdict =
        judge(400, "{\"Response\":{\"TaskId\":1,\"Error\":{\"Code\":\"InvalidParameter\"}" WITH_ID);
    assert_int_equal(verdict.class, VERDICT_AMBIGUOUS);
}

static void without_an_answer(void **state)
{
    (void)state;
    struct exchange exchange = {
        .kind = EXCHANGE_NOT_SENT, .error = "could not\nresolve", .date_second = -1};
    struct verdict verdict;
    reply_judge(&exchange, &verdict);
    assert_int_equal(verdict.class, VERDICT_NOT_SENT);
    assert_string_equal(verdict.code, "Client.NotSent");
    assert_string_equal(verdict.message, "could not resolve");
    assert_int_equal(verdict.http_status, 0);
    assert_true(verdict.date_second == -1);
    assert_int_equal(reply_class_of(verdict.code), VERDICT_NOT_SENT);
    exchange.kind = EXCHANGE_LOST;
    exchange.error = "time-out";
    reply_judge(&exchange, &verdict);
    assert_int_equal(verdict.class, VERDICT_AMBIGUOUS);
    assert_string_equal(verdict.code, "Client.Lost");
    assert_string_equal(verdict.message, "time-out");
    assert_int_equal(reply_class_of(verdict.code), VERDICT_AMBIGUOUS);
    exchange.error = NULL;
    reply_judge(&exchange, &verdict);
    assert_string_equal(verdict.message, "the answer was lost");
}

static void the_true_limit_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *message; /* as JSON text */
        int64_t limit;
    } rows[] = {
        {"Your current request times equals to `21` in a second, which exceeds the frequency "
         "limit `20` for a second. Please reduce the frequency of calls.",
         20},
        {"frequency limit \\\\`20\\\\` for a second", 20},
        {"exceeds the frequency limit `5`, it was `6`", 5},
        {"too many: `7`", 7},
        {"`21` of `20` a second", 20},
        {"frequency limit `2000000`", 0},
        {"frequency limit `99999999999999999999999`", 0},
        {"frequency limit `0`", 0},
        {"frequency limit `-3`", 0},
        {"frequency limit `20", 0},
        {"frequency limit ``", 0},
        {"frequency limit 20", 0},
        {"`", 0},
        {"", 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char body[512];
        (void)snprintf(body, sizeof body,
                       "{\"Response\":{\"Error\":{\"Code\":\"RequestLimitExceeded\",\"Message\":"
                       "\"%s\"}" WITH_ID,
                       rows[i].message);
        struct verdict verdict = judge(200, body);
        assert_int_equal(verdict.class, VERDICT_THROTTLED);
        if (verdict.limit != rows[i].limit)
            fail_msg("%s: %lld", rows[i].message, (long long)verdict.limit);
    }
    assert_true(judge(200, "{\"Response\":{\"Error\":{\"Code\":\"InternalError\",\"Message\":"
                           "\"limit `20`\"}" WITH_ID)
                    .limit
                == 0);
}

static void messages_become_one_short_line(void **state)
{
    (void)state;
    struct verdict verdict =
        judge(200, "{\"Response\":{\"Error\":{\"Code\":\"InternalError\",\"Message\":"
                   "\"a\\nevent=forged\\u0000\\u001b[31m\xFF\\u6bcf\"}" WITH_ID);
    assert_string_equal(verdict.message, "a event=forged\xEF\xBF\xBD [31m\xEF\xBF\xBD\xE6\xAF\x8F");
    verdict = judge(200, "{\"Response\":{\"Error\":{\"Code\":\"InternalError\"}" WITH_ID);
    assert_string_equal(verdict.message, "");

    /* Three-byte characters, so that most cuts would fall inside one. */
    for (size_t length = 80; length < 90; length++) {
        char body[1024];
        struct text t = text_over(body, sizeof body);
        text_add(&t, "{\"Response\":{\"Error\":{\"Code\":\"InternalError\",\"Message\":\"");
        for (size_t i = 0; i < length; i++)
            text_add(&t, "\xE6\xAF\x8F");
        text_add(&t, "\"}" WITH_ID);
        verdict = judge(200, body);
        assert_int_equal(strlen(verdict.message), 3 * (length < 85 ? length : 85));
    }
}

static void ids_that_cannot_be_kept_whole_are_dropped(void **state)
{
    (void)state;
    static const struct {
        const char *id; /* as JSON text */
        bool kept;
    } rows[] = {
        {"123456789012345678901234567890123456789012345678901234567890123", true},
        {"1234567890123456789012345678901234567890123456789012345678901234", false},
        {"a b", false},
        {"a\\nb", false},
        {"\\u0000", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char body[256];
        (void)snprintf(body, sizeof body, "{\"Response\":{\"TaskId\":1,\"RequestId\":\"%s\"}}",
                       rows[i].id);
        struct verdict verdict = judge(200, body);
        assert_int_equal(verdict.class, VERDICT_ACCEPTED);
        assert_string_equal(verdict.request_id, rows[i].kept ? rows[i].id : "");
    }
}

/* A code that does not fit is not cut to another one. */
static void long_codes_are_not_cut(void **state)
{
    (void)state;
    char code[REPLY_CODE_MAX + 1] = "ResourceNotFound.";
    size_t start = strlen(code);
    memset(code + start, 'x', sizeof code - start);
    code[REPLY_CODE_MAX - 1] = '\0';
    assert_string_equal(judge_code(code).code, code);
    code[REPLY_CODE_MAX - 1] = 'x';
    code[REPLY_CODE_MAX] = '\0';
    struct verdict verdict = judge_code(code);
    assert_string_equal(verdict.code, "Client.BadReply");
    assert_int_equal(verdict.class, VERDICT_AMBIGUOUS);
}

static void megabytes_end_in_a_verdict(void **state)
{
    (void)state;
    size_t size = REPLY_BODY_MAX;
    char *body = malloc(size);
    assert_non_null(body);
    static const char *const fillings[] = {"[", "{\"a\":", "1,", "\"", "\\", " ", "\xFF", "x"};
    for (size_t i = 0; i < COUNT(fillings); i++) {
        size_t unit = strlen(fillings[i]);
        for (size_t at = 0; at + unit <= size; at += unit)
            memcpy(body + at, fillings[i], unit);
        assert_int_equal(judge_bytes(200, body, size).class, VERDICT_AMBIGUOUS);
        assert_int_equal(judge_bytes(502, body, size).class, VERDICT_AMBIGUOUS);
    }
    /* A good one with a megabyte of something else in front of what matters. */
    static const char head[] = "{\"Response\":{\"New\":[";
    static const char tail[] = "0],\"TaskId\":77" WITH_ID;
    static const char number[] = "12345678901234567,"; /* a megabyte of them is not too many */
    size_t tail_at = sizeof head - 1;
    memcpy(body, head, tail_at);
    for (; tail_at + sizeof number + sizeof tail < size; tail_at += sizeof number - 1)
        memcpy(body + tail_at, number, sizeof number - 1);
    memcpy(body + tail_at, tail, sizeof tail - 1);
    struct verdict verdict = judge_bytes(200, body, tail_at + sizeof tail - 1);
    assert_string_equal(verdict.message, "");
    assert_true(verdict.task_id == 77);
    free(body);
}

static int allocations_left;

static void *failing_malloc(size_t size)
{
    if (allocations_left-- > 0)
        return malloc(size);
    errno = ENOMEM;
    return NULL;
}

/* Whatever the status says: a body that could not be read may have overruled it. */
static void without_memory_it_is_ambiguous(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum verdict_class class; /* with memory */
    } rows[] = {
        {200, "{\"Response\":{\"TaskId\":6954227" WITH_ID, VERDICT_ACCEPTED},
        {200, "{\"Response\":{\"Error\":{\"Code\":\"InvalidParameter\"}" WITH_ID, VERDICT_FINAL},
        {400, "{\"Response\":{\"Error\":{\"Code\":\"ServiceUnavailable\"}" WITH_ID, VERDICT_BUSY},
        {429, "{\"Response\":{\"TaskId\":6954227" WITH_ID, VERDICT_AMBIGUOUS},
        {404, "{\"Response\":{\"New\":0" WITH_ID, VERDICT_FINAL},
    };
    cJSON_Hooks hooks = {.malloc_fn = failing_malloc, .free_fn = free};
    cJSON_InitHooks(&hooks);
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int given = 0; given < 4; given++) {
            allocations_left = given;
            struct verdict verdict = judge(rows[i].status, rows[i].body);
            assert_int_equal(verdict.class, VERDICT_AMBIGUOUS);
            assert_string_equal(verdict.code, "Client.BadReply");
            assert_non_null(strstr(verdict.message, "no memory"));
            assert_string_equal(verdict.request_id, ID);
        }
        allocations_left = 100;
        assert_int_equal(judge(rows[i].status, rows[i].body).class, rows[i].class);
    }
    cJSON_InitHooks(NULL);
}

/* Random damage to a good body: always a verdict, and its task only where it still stands there. */
static void damage_is_judged(void **state)
{
    (void)state;
    static const char good[] = "{\"Response\":{\"TaskId\":\"6954227\"" WITH_ID;
    uint64_t seed = 6954227;
    for (int round = 0; round < 20000; round++) {
        char body[sizeof good];
        memcpy(body, good, sizeof good);
        for (int flips = 0; flips < 1 + round % 3; flips++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            body[(seed >> 33) % (sizeof good - 1)] = (char)(seed >> 20);
        }
        struct verdict verdict = judge_bytes(200, body, sizeof good - 1);
        if (strstr(body, "\"TaskId\":\"6954227\"") == NULL && verdict.task_id == 6954227)
            fail_msg("round %d", round);
    }
}

static void a_mistyped_code_has_a_neighbour(void **state)
{
    (void)state;
    assert_string_equal(reply_nearest_code("RequestLimitExceded"), "RequestLimitExceeded");
    assert_string_equal(reply_nearest_code("ResourceUnavailable.InstanceLocked"),
                        "ResourceUnavailable.InstanceLockedError");
    assert_null(reply_nearest_code("Zzzzzzzzzzzzzzzzzz"));
}

static void classes_have_names(void **state)
{
    (void)state;
    static const char *const names[] = {"accepted",  "throttled", "clock", "busy",
                                        "ambiguous", "not_sent",  "final"};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_string_equal(verdict_class_name((enum verdict_class)i), names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_class),
        cmocka_unit_test(unknown_codes_fall_to_their_first_part),
        cmocka_unit_test(a_task_id_is_accepted_in_both_spellings),
        cmocka_unit_test(what_cannot_be_understood_is_ambiguous),
        cmocka_unit_test(a_zero_byte_ends_nothing),
        cmocka_unit_test(every_truncation_is_ambiguous),
        cmocka_unit_test(other_statuses_are_the_gateways),
        cmocka_unit_test(an_api_error_rules_but_under_5xx),
        cmocka_unit_test(without_an_answer),
        cmocka_unit_test(the_true_limit_is_read),
        cmocka_unit_test(messages_become_one_short_line),
        cmocka_unit_test(ids_that_cannot_be_kept_whole_are_dropped),
        cmocka_unit_test(long_codes_are_not_cut),
        cmocka_unit_test(megabytes_end_in_a_verdict),
        cmocka_unit_test(without_memory_it_is_ambiguous),
        cmocka_unit_test(damage_is_judged),
        cmocka_unit_test(a_mistyped_code_has_a_neighbour),
        cmocka_unit_test(classes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Requests: the body byte for byte, the headers, and signatures of known vectors. */
#include "unit.h"

#include "engine/requests.h"
#include "version.h"

#include <errno.h>
#include <stdio.h>

#define TAG ""
#define STAMP INT64_C(1551113065)
#define URL "https://redis.tencentcloudapi.com/"
#define HOST "redis.tencentcloudapi.com"

static struct requests *requests;
static struct keys keys;
static struct config *config;

static int set_up(void **state)
{
    (void)state;
    memcpy(keys.id, "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", 37);
    return requests_create(&requests, NULL) != 0 || config_create(&config) != 0
           || secret_set(&keys.key, "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", 32) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    requests_destroy(requests);
    requests_destroy(NULL);
    config_unref(config);
    secret_finish(&keys.key);
    secret_finish(&keys.token);
    return 0;
}

static struct transport_request build(const char *host, const struct instance *instance)
{
    struct transport_request request;
    struct wall stamp = {STAMP * US_PER_SECOND + 999999};
    assert_int_equal(
        requests_backup(requests, config, URL, host, instance, TAG, &keys, stamp, &request, NULL),
        0);
    return request;
}

static const char *header(const struct transport_request *request, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcmp(request->headers[i].name, name) != 0)
            continue;
        assert_null(value); /* once */
        value = request->headers[i].value;
    }
    return value;
}

struct body {
    const char *remark;
    int32_t storage_days;
    const char *want;
};

static const struct body bodies[] = {
    {"", 0, "{\"InstanceId\":\"crs-5a4py64p\"}"},
    {"xxxx", 0, "{\"InstanceId\":\"crs-5a4py64p\",\"Remark\":\"xxxx\"}"},
    {"", 7, "{\"InstanceId\":\"crs-5a4py64p\",\"StorageDays\":7}"},
    {"a\"b\\c\x01", 1825,
     "{\"InstanceId\":\"crs-5a4py64p\",\"Remark\":\"a\\\"b\\\\c\\u0001\",\"StorageDays\":1825}"},
    {"每日备份", 0, "{\"InstanceId\":\"crs-5a4py64p\",\"Remark\":\"每日备份\"}"},
};

static void bodies_are_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        const struct instance instance = {.id = "crs-5a4py64p",
                                          .region = "ap-guangzhou",
                                          .remark = bodies[i].remark,
                                          .storage_days = bodies[i].storage_days};
        struct transport_request request = build(HOST, &instance);
        assert_string_equal(request.body, bodies[i].want);
        assert_int_equal(request.body_length, strlen(bodies[i].want));
    }
}

struct vector {
    const char *host;
    const char *remark;
    const char *signature;
};

static const struct vector vectors[] = {
    {HOST, "xxxx", "b51d52c7d46ac79c1e06d37d4ce224e74a0cad62de9816cb7ba3383d8ab0d4f1"},
    {"redis.ap-shanghai-fsi.tencentcloudapi.com", "xxxx",
     "f0f9580b5de5102a2ab7cf4f6a11b5d2a196829e3085111e56605f447039b3d3"},
    {HOST, "每日备份", "c352f70141a7f59fb6d99a3d67c292a2b1fc74f3b63bc69b7b8013b3083b3959"},
};

static void signatures_are_those_of_the_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        const struct instance instance = {
            .id = "crs-5a4py64p", .region = "ap-guangzhou", .remark = vectors[i].remark};
        struct transport_request request = build(vectors[i].host, &instance);
        char want[512];
        (void)snprintf(want, sizeof want,
                       "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/"
                       "redis/tc3_request, SignedHeaders=content-type;host, Signature=%s",
                       vectors[i].signature);
        assert_string_equal(header(&request, "Authorization"), want);
        assert_string_equal(header(&request, "Host"), vectors[i].host);
    }
}

static void headers_are_complete(void **state)
{
    (void)state;
    const struct instance instance = {
        .id = "crs-5a4py64p", .region = "ap-shanghai-fsi", .remark = ""};
    config->language = "zh-CN";
    config->timeout_us = 7;
    config->connect_timeout_us = 5;
    struct transport_request request = build(HOST, &instance);
    assert_string_equal(header(&request, "Content-Type"), "application/json");
    assert_string_equal(header(&request, "X-TC-Action"), "ManualBackupInstance");
    assert_string_equal(header(&request, "X-TC-Version"), "2018-04-12");
    assert_string_equal(header(&request, "X-TC-Timestamp"), "1551113065");
    assert_string_equal(header(&request, "X-TC-Region"), "ap-shanghai-fsi");
    assert_string_equal(header(&request, "X-TC-Language"), "zh-CN");
    assert_string_equal(header(&request, "X-TC-RequestClient"), "crsbackupd_" CRSBACKUPD_VERSION);
    assert_null(header(&request, "X-TC-Token"));
    assert_int_equal(request.header_count, 9);
    assert_string_equal(request.url, URL);
    assert_int_equal(request.timeout_us, 7);
    assert_int_equal(request.connect_timeout_us, 5);

    assert_int_equal(secret_set(&keys.token, "session", 7), 0);
    request = build(HOST, &instance);
    assert_string_equal(header(&request, "X-TC-Token"), "session");
    assert_int_equal(request.header_count, 10);
    assert_int_equal(secret_set(&keys.token, "", 0), 0);
}

/* A cloud that cuts a remark off leaves the tag. */
static void the_tag_stands_first(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"", "crsbackupd:t:0", "\"Remark\":\"crsbackupd:t:0\""},
        {"ledger", "crsbackupd:t:0", "\"Remark\":\"crsbackupd:t:0 ledger\""},
        {"ledger", "", "\"Remark\":\"ledger\""},
    };
    struct transport_request request;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct instance instance = {
            .id = "crs-5a4py64p", .region = "ap-guangzhou", .remark = rows[i][0]};
        assert_int_equal(requests_backup(requests, config, URL, HOST, &instance, rows[i][1], &keys,
                                         (struct wall){0}, &request, NULL),
                         0);
        assert_non_null(strstr(request.body, rows[i][2]));
    }
}

static void the_longest_remark_fits(void **state)
{
    (void)state;
    static char remark[MODEL_REMARK_MAX + 1];
    memset(remark, '"', MODEL_REMARK_MAX);
    const struct instance instance = {
        .id = "crs-5a4py64p", .region = "ap-guangzhou", .remark = remark, .storage_days = 1825};
    struct transport_request request = build(HOST, &instance);
    assert_int_equal(request.body[request.body_length - 1], '}');
    assert_true(request.body_length > 2 * MODEL_REMARK_MAX);
}

static void what_cannot_be_signed_is_refused(void **state)
{
    (void)state;
    static char remark[REQUESTS_BODY_MAX + 1];
    memset(remark, 'x', REQUESTS_BODY_MAX);
    const struct wall stamp = {STAMP * US_PER_SECOND};
    struct instance instance = {.id = "crs-5a4py64p", .region = "ap-guangzhou", .remark = remark};
    struct transport_request request = {.ticket = 77};
    struct errtext err = {""};
    assert_int_equal(
        requests_backup(requests, config, URL, HOST, &instance, TAG, &keys, stamp, &request, &err),
        -E2BIG);
    assert_true(err.text[0] != '\0');
    instance.remark = "";
    assert_true(requests_backup(requests, config, URL, "ho\nst", &instance, TAG, &keys, stamp,
                                &request, &err)
                < 0);
    assert_null(strstr(err.text, "Gu5t9x"));
    assert_true(requests_backup(requests, config, URL, HOST, &instance, TAG, &keys,
                                (struct wall){-US_PER_SECOND}, &request, &err)
                < 0);
    assert_int_equal(request.ticket, 77); /* untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_exact),
        cmocka_unit_test(signatures_are_those_of_the_vectors),
        cmocka_unit_test(headers_are_complete),
        cmocka_unit_test(the_tag_stands_first),
        cmocka_unit_test(the_longest_remark_fits),
        cmocka_unit_test(what_cannot_be_signed_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

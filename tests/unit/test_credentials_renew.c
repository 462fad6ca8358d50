/*
 * Temporary keys over hours of virtual time: when they are asked for, what a failure does to the
 * old ones, and what a refusal of the cloud leads to. STS is a transport that keeps the question
 * until the test answers it.
 */
#include "unit.h"

#include "ports/credentials.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define START INT64_C(1795564800)
#define KEY "KEYEXAMPLEdoNotShow0001"

static char path[64];
static struct credentials *c;
static struct now now;
static unsigned asked;
static uint64_t ticket; /* of the question that is open; 0: none */
static int send_outcome;
static unsigned told; /* answers that were told of; the last one: */
static char told_code[REPLY_CODE_MAX];
static int64_t told_ns;

static int take_question(void *context, const struct transport_request *request,
                         struct errtext *err)
{
    (void)context;
    if (send_outcome != 0)
        return errtext_set(err, send_outcome, "no room");
    assert_true((request->ticket & CREDENTIALS_TICKET) != 0);
    assert_string_equal(request->url, "https://sts.test/");
    assert_int_equal(ticket, 0);
    asked++;
    ticket = request->ticket;
    return 0;
}

static void cancel_question(void *context, uint64_t which)
{
    (void)context;
    assert_int_equal(which, ticket);
    ticket = 0;
}

static void count_answer(void *context, enum credentials_provider provider,
                         const struct verdict *verdict, int64_t took_ns)
{
    assert_ptr_equal(context, &told);
    assert_int_equal(provider, CREDENTIALS_ASSUME_ROLE);
    told++;
    bool ok = verdict->class == VERDICT_ACCEPTED;
    assert_int_equal(ok, verdict->code[0] == '\0');
    (void)snprintf(told_code, sizeof told_code, "%s", ok ? "OK" : verdict->code);
    told_ns = took_ns;
}

static void write_key(const char *key)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "[default]\nsecret_id=AKIDa\nsecret_key=%s\n", key);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static struct credentials_settings settings_of(enum credentials_provider provider)
{
    return (struct credentials_settings){
        .provider = provider,
        .source = CREDENTIALS_FILE,
        .file = path,
        .profile = "default",
        .role_arn = "qcs::cam::uin/1:roleName/backup",
        .role_session_name = "test",
        .duration_us = 7200 * US_PER_SECOND,
        .sts_url = "https://sts.test/",
        .sts_region = "ap-x",
    };
}

static int setup(void **state)
{
    (void)state;
    static const struct transport transport = {
        .context = NULL, .send = take_question, .cancel = cancel_question};
    (void)snprintf(path, sizeof path, "/tmp/renew-%d", (int)getpid());
    asked = 0;
    ticket = 0;
    send_outcome = 0;
    told = 0;
    now = (struct now){wall_from_seconds(START), {0}};
    if (credentials_create(&c) != 0)
        return -1;
    write_key(KEY);
    static char loop; /* only for the metadata service */
    return credentials_open(c, (struct uv_loop_s *)(void *)&loop, &transport, count_answer, &told,
                            NULL);
}

static int teardown(void **state)
{
    (void)state;
    credentials_close(c);
    credentials_destroy(c);
    return unlink(path);
}

static enum credentials_news after(int64_t ms)
{
    now.wall = wall_add_us(now.wall, ms * 1000);
    now.mono = mono_add_ns(now.mono, ms * 1000000);
    return credentials_step(c, now);
}

static void answer(const struct exchange *exchange)
{
    uint64_t open = ticket;
    assert_int_not_equal(open, 0);
    ticket = 0;
    credentials_file_outcome(c, open, exchange, now.mono);
}

static void answer_status(int status, const char *body)
{
    const struct exchange exchange = {.kind = EXCHANGE_ANSWERED,
                                      .http_status = status,
                                      .body = body,
                                      .body_length = strlen(body),
                                      .date_second = -1};
    answer(&exchange);
}

static void answer_text(const char *body)
{
    answer_status(200, body);
}

static void answer_keys(const char *key, int64_t life)
{
    char body[512];
    (void)snprintf(body, sizeof body,
                   "{\"Response\":{\"Credentials\":{\"TmpSecretId\":\"AKIDt\",\"TmpSecretKey\":"
                   "\"%s\",\"Token\":\"t\"},\"ExpiredTime\":%" PRId64 "}}",
                   key, wall_seconds(now.wall) + life);
    answer_text(body);
}

static const struct keys *keys_now(void)
{
    struct keyring ring = credentials_keyring(c);
    const struct keys *keys;
    return ring.get(ring.context, &keys, NULL) == 0 ? keys : NULL;
}

static void begin(void)
{
    const struct credentials_settings settings = settings_of(CREDENTIALS_ASSUME_ROLE);
    assert_int_equal(credentials_read(c, &settings, NULL), 0);
    assert_null(keys_now());
    assert_int_equal(after(0), CREDENTIALS_NO_NEWS);
    assert_int_equal(asked, 1);
}

/* How long until a step asks, by the wake it tells; -1: never. */
static int64_t ms_to_wake(void)
{
    struct wall wall;
    struct mono mono;
    credentials_next_wake(c, &wall, &mono);
    int64_t by_wall = wall.us == WALL_NEVER.us ? INT64_MAX : wall_diff_us(wall, now.wall) / 1000;
    int64_t by_mono = mono.ns == MONO_NEVER.ns ? INT64_MAX : mono_diff_ns(mono, now.mono) / 1000000;
    int64_t first = by_wall < by_mono ? by_wall : by_mono;
    return first == INT64_MAX ? -1 : first;
}

static void keys_are_renewed_with_their_margin_left(void **state)
{
    (void)state;
    static const struct {
        int64_t life;
        int64_t margin;
    } rows[] = {{7200, 300}, {43200, 300}, {3000, 300}, {1000, 100}, {60, 6}, {10, 2}};
    begin();
    for (size_t i = 0; i < COUNT(rows); i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key%zu", i);
        assert_int_equal(ms_to_wake(), -1); /* the answer wakes */
        answer_keys(key, rows[i].life);
        assert_int_equal(after(0), CREDENTIALS_REFRESHED);
        assert_string_equal(keys_now()->key.bytes, key);
        assert_int_equal(keys_now()->generation, i + 1);
        assert_int_equal(ms_to_wake(), (rows[i].life - rows[i].margin) * 1000);
        assert_int_equal(after((rows[i].life - rows[i].margin) * 1000 - 1), CREDENTIALS_NO_NEWS);
        assert_int_equal(asked, i + 1);
        assert_int_equal(after(1), CREDENTIALS_NO_NEWS);
        assert_int_equal(asked, i + 2);
        assert_non_null(keys_now());
    }
}

static void a_failing_renewal_backs_off_and_is_told_once(void **state)
{
    (void)state;
    static const int64_t delays[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    begin();
    answer_keys("first", 3600);
    assert_int_equal(after(0), CREDENTIALS_REFRESHED);
    (void)after(3300 * 1000);
    for (size_t i = 0; i < COUNT(delays); i++) {
        answer_text("<html>");
        assert_int_equal(after(0), i == 0 ? CREDENTIALS_FAILED : CREDENTIALS_NO_NEWS);
        assert_non_null(strstr(credentials_text(c), "STS: not JSON"));
        assert_int_equal(ms_to_wake(), delays[i] * 1000);
        (void)after(delays[i] * 1000);
        assert_int_equal(asked, 3 + i);
        if (i < 7)
            assert_string_equal(keys_now()->key.bytes, "first"); /* 183 s have passed */
    }
    answer_text("{\"Response\":{\"Error\":{\"Code\":\"InternalError\",\"Message\":\"m\"}}}");
    assert_int_equal(after(0), CREDENTIALS_FAILED); /* another reason */
    assert_string_equal(credentials_text(c), "STS: InternalError: m");
    (void)after(60 * 1000); /* 303 s after the margin began: they have ended */
    struct keyring ring = credentials_keyring(c);
    const struct keys *keys;
    struct errtext err;
    assert_int_equal(ring.get(ring.context, &keys, &err), -ENOENT);
    assert_string_equal(err.text, "the keys have ended: STS: InternalError: m");
    answer_keys("second", 3600);
    assert_int_equal(after(0), CREDENTIALS_REFRESHED);
    assert_string_equal(keys_now()->key.bytes, "second");
}

static void answers_are_told_of_by_their_code(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        const char *code;
    } rows[] = {
        {200,
         "{\"Response\":{\"Error\":{\"Code\":\"AuthFailure.SignatureExpire\",\"Message\":\"m\"}}}",
         "AuthFailure.SignatureExpire"},
        {200, "{\"Response\":{\"Error\":{\"Code\":\"RequestLimitExceeded\",\"Message\":\"m\"}}}",
         "RequestLimitExceeded"},
        {200, "<html>", "Client.BadReply"},
        {200, "{\"Response\":{\"RequestId\":\"r\"}}", "Client.BadReply"},
        {403, "<html>", "HTTP.403"},
        {502, "", "HTTP.502"},
    };
    begin();
    for (size_t i = 0; i < COUNT(rows); i++) {
        now.mono = mono_add_ns(now.mono, 70 * 1000000);
        answer_status(rows[i].status, rows[i].body);
        assert_string_equal(told_code, rows[i].code);
        assert_int_equal(told, i + 1);
        assert_int_equal(told_ns, 70 * 1000000);
        (void)after(0);
        (void)after(60 * 1000);
    }
    const struct exchange lost = {.kind = EXCHANGE_LOST, .error = "timeout", .date_second = -1};
    answer(&lost);
    assert_string_equal(told_code, "Client.Lost");
    assert_true(told_ns < 0);
    (void)after(0);
    (void)after(60 * 1000);
    answer_keys("first", 3600);
    assert_string_equal(told_code, "OK");
    assert_int_equal(told, COUNT(rows) + 2);
    assert_int_equal(told, asked);
}

static void the_same_keys_are_no_news_and_asked_for_again(void **state)
{
    (void)state;
    begin();
    answer_keys("same", 3600);
    assert_int_equal(after(0), CREDENTIALS_REFRESHED);
    (void)after(3300 * 1000);
    answer_keys("same", 300);
    assert_int_equal(after(0), CREDENTIALS_NO_NEWS);
    assert_int_equal(keys_now()->generation, 1);
    assert_int_equal(ms_to_wake(), 1000);
    (void)after(1000);
    answer_keys("same", 299);
    assert_int_equal(after(0), CREDENTIALS_NO_NEWS);
    assert_int_equal(ms_to_wake(), 2000);
}

static void ended_keys_are_not_taken(void **state)
{
    (void)state;
    begin();
    answer_keys("old", 0);
    assert_int_equal(after(0), CREDENTIALS_FAILED);
    assert_string_equal(credentials_text(c), "STS gave keys that have ended already");
    assert_null(keys_now());
}

static void a_question_that_cannot_be_sent_is_asked_again(void **state)
{
    (void)state;
    const struct credentials_settings settings = settings_of(CREDENTIALS_ASSUME_ROLE);
    assert_int_equal(credentials_read(c, &settings, NULL), 0);
    send_outcome = -EAGAIN;
    assert_int_equal(after(0), CREDENTIALS_FAILED);
    assert_int_equal(ms_to_wake(), 1000);
    send_outcome = 0;
    (void)after(1000);
    answer_keys("new", 3600);
    assert_int_equal(after(0), CREDENTIALS_REFRESHED);
}

static void a_refusal_of_the_cloud_asks_anew(void **state)
{
    (void)state;
    struct keyring ring = credentials_keyring(c);
    begin();
    answer_keys("first", 3600);
    assert_int_equal(after(0), CREDENTIALS_REFRESHED);
    (void)after(100);
    ring.refused(ring.context, 7); /* others than these */
    assert_int_equal(ms_to_wake(), 3300 * 1000 - 100);
    ring.refused(ring.context, 1);
    assert_int_equal(ms_to_wake(), 4900); /* not each second */
    (void)after(4900);
    assert_int_equal(asked, 2);
    assert_string_equal(keys_now()->key.bytes, "first");
    answer_keys("second", 3600);
    assert_int_equal(after(0), CREDENTIALS_REFRESHED);
    ring.refused(ring.context, 1); /* a late answer to the old ones */
    (void)after(60 * 1000);
    assert_int_equal(asked, 2);
}

static void a_reload_keeps_what_is_the_same(void **state)
{
    (void)state;
    struct credentials_settings settings = settings_of(CREDENTIALS_ASSUME_ROLE);
    begin();
    answer_keys("first", 3600);
    assert_int_equal(after(0), CREDENTIALS_REFRESHED);
    (void)after(10 * 1000);
    assert_int_equal(credentials_read(c, &settings, NULL), 0);
    assert_string_equal(keys_now()->key.bytes, "first");
    (void)after(0);
    assert_int_equal(asked, 2);
    uint64_t given_up = ticket;
    settings.role_arn = "qcs::cam::uin/1:roleName/other";
    assert_int_equal(credentials_read(c, &settings, NULL), 0);
    assert_int_equal(ticket, 0);
    assert_null(keys_now()); /* another's keys are not used */
    const struct exchange late = {.kind = EXCHANGE_LOST, .error = "cancelled", .date_second = -1};
    credentials_file_outcome(c, given_up, &late, now.mono);
    assert_int_equal(told, 1); /* what was given up is not counted */
    assert_int_equal(after(0), CREDENTIALS_NO_NEWS);
    assert_int_equal(asked, 3);
    answer_keys("other", 3600);
    assert_int_equal(after(0), CREDENTIALS_REFRESHED);
    settings.provider = CREDENTIALS_FILE;
    assert_int_equal(credentials_read(c, &settings, NULL), 0);
    assert_string_equal(keys_now()->key.bytes, KEY);
    assert_int_equal(ms_to_wake(), -1);
}

/* A reload that others refuse: what serves goes on, with all that is known of its end. */
static void what_is_forgotten_changes_nothing(void **state)
{
    (void)state;
    struct credentials_settings settings = settings_of(CREDENTIALS_ASSUME_ROLE);
    begin();
    answer_keys("first", 3600);
    assert_int_equal(after(0), CREDENTIALS_REFRESHED);
    int64_t wake = ms_to_wake();
    settings.role_arn = "qcs::cam::uin/1:roleName/other";
    for (int i = 0; i < 3; i++) {
        assert_int_equal(credentials_prepare(c, &settings, NULL), 0);
        credentials_forget(c);
        settings.provider = CREDENTIALS_FILE;
    }
    assert_string_equal(keys_now()->key.bytes, "first");
    assert_int_equal(ms_to_wake(), wake);
    assert_int_equal(asked, 1);
    assert_int_equal(credentials_prepare(c, &settings, NULL), 0);
    credentials_commit(c);
    assert_string_equal(keys_now()->key.bytes, KEY);
    credentials_forget(c);
    assert_string_equal(keys_now()->key.bytes, KEY);
}

static void a_file_is_looked_at_again(void **state)
{
    (void)state;
    const struct credentials_settings settings = settings_of(CREDENTIALS_FILE);
    struct keyring ring = credentials_keyring(c);
    assert_int_equal(credentials_read(c, &settings, NULL), 0);
    assert_int_equal(after(0), CREDENTIALS_NO_NEWS);
    ring.refused(ring.context, 1);
    assert_int_equal(after(0), CREDENTIALS_NO_NEWS); /* nothing new there */
    write_key("rotated");
    ring.refused(ring.context, 1);
    assert_int_equal(ms_to_wake(), 5000);
    assert_int_equal(after(4999), CREDENTIALS_NO_NEWS);
    assert_int_equal(after(1), CREDENTIALS_REFRESHED);
    assert_string_equal(keys_now()->key.bytes, "rotated");
    assert_int_equal(chmod(path, 0644), 0);
    for (int i = 0; i < 3; i++) {
        ring.refused(ring.context, 2);
        assert_int_equal(after(5000), i == 0 ? CREDENTIALS_FAILED : CREDENTIALS_NO_NEWS);
    }
    assert_non_null(strstr(credentials_text(c), "chmod 600"));
    assert_string_equal(keys_now()->key.bytes, "rotated");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_renewed_with_their_margin_left, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_renewal_backs_off_and_is_told_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(answers_are_told_of_by_their_code, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_keys_are_no_news_and_asked_for_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ended_keys_are_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(a_question_that_cannot_be_sent_is_asked_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_refusal_of_the_cloud_asks_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reload_keeps_what_is_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_forgotten_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_looked_at_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

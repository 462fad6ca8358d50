/*
 * See reply.h; the classes of the codes and what they mean to people are in reply_table.c.
 *
 * Happy path: the body is read as one strict JSON text, then Response, Error, TaskId and RequestId
 * are looked up in it, each of which may stand there once.
 *
 * Failure paths: whatever cannot be understood is ambiguous with the code Client.BadReply, since
 * the cloud may have acted before its answer was spoilt; a body for which there is no memory is so
 * under every status, since what it would have said may overrule the status. The RequestId is then
 * searched in the raw bytes: support asks for it first.
 */
#include "base/reply.h"

#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HTTP_OK 200
#define ERROR_MESSAGE_MAX 1024 /* of it the limit is read before the message is cut */
#define LIMIT_MAX 1000000

/* What a body holds, as far as it could be read. */
struct answer {
    bool has_error; /* then code and message are set */
    bool has_task;  /* then task_id is; of a query: it was read */
    int64_t task_id;
    reply_read_fn read; /* NULL: a TaskId is what success holds */
    void *context;
    char code[REPLY_CODE_MAX];
    char message[ERROR_MESSAGE_MAX];
};

static void set_code(struct verdict *verdict, const char *code)
{
    struct text t = text_over(verdict->code, sizeof verdict->code);
    text_add(&t, code);
}

static void set_message(struct verdict *verdict, const char *message)
{
    struct text t = text_over(verdict->message, sizeof verdict->message);
    text_add_line(&t, message, strlen(message));
}

static bool is_id_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_' || c == '.';
}

/* Letters, digits, '.', '-' and '_', at least one: what a code and a request id are made of. */
static bool is_id(const char *string)
{
    const char *at = string;
    while (is_id_character(*at))
        at++;
    return at > string && *at == '\0';
}

static void keep_request_id(struct verdict *verdict, struct json_value value)
{
    char id[REPLY_REQUEST_ID_MAX];
    struct text t = text_over(id, sizeof id);
    if (json_add_string(value, &t) == 0 && !t.cut && is_id(id))
        memcpy(verdict->request_id, id, sizeof id);
}

/* From a body that is no JSON: the first "RequestId":"..." whose value is whole. */
static void salvage_request_id(struct verdict *verdict, const char *body, size_t length)
{
    static const char name[] = "\"RequestId\"";
    const char *end = body + length;
    const char *at = length > 0 ? memmem(body, length, name, sizeof name - 1) : NULL;
    if (at == NULL)
        return;
    at += sizeof name - 1;
    while (at < end && (*at == ' ' || *at == ':'))
        at++;
    if (at == end || *at++ != '"')
        return;
    const char *first = at;
    while (at < end && is_id_character(*at))
        at++;
    size_t id_length = (size_t)(at - first);
    if (at == end || *at != '"' || id_length == 0 || id_length >= REPLY_REQUEST_ID_MAX)
        return;
    memcpy(verdict->request_id, first, id_length);
    verdict->request_id[id_length] = '\0';
}

/* A member that counts as absent where it is null. Outcomes: 0; JSON_ABSENT; JSON_DOUBLED. */
static int find(struct json_value object, const char *name, struct json_value *ret)
{
    struct json_value value;
    int outcome = json_member(object, name, &value);
    if (outcome == 0 && json_kind_of(value) == JSON_NULL)
        return JSON_ABSENT;
    if (outcome == 0)
        *ret = value;
    return outcome;
}

static int read_error(struct json_value error, struct answer *ret, struct errtext *err)
{
    struct json_value code;
    struct json_value message;
    struct text t = text_over(ret->code, sizeof ret->code);
    if (find(error, "Code", &code) != 0)
        return errtext_set(err, -EINVAL, "the reply's Error has no single Code");
    if (json_add_string(code, &t) != 0 || t.cut || !is_id(ret->code))
        return errtext_set(err, -EINVAL, "the reply's Error has an unreadable Code");
    t = text_over(ret->message, sizeof ret->message);
    if (find(error, "Message", &message) == 0)
        (void)!json_add_string(message, &t); /* without one it stays empty */
    ret->has_error = true;
    return 0;
}

static int read_task(struct json_value task, struct answer *ret, struct errtext *err)
{
    int64_t id;
    if (json_int64(task, &id) != 0 || id <= 0)
        return errtext_set(err, -EINVAL, "the reply's TaskId is not a number from 1 to 2^63 - 1");
    ret->task_id = id;
    ret->has_task = true;
    return 0;
}

/* The RequestId goes to the verdict at once: it is kept whatever else is wrong. */
static int read_response(struct json_value response, struct verdict *verdict, struct answer *ret,
                         struct errtext *err)
{
    struct json_value value;
    int outcome;
    if (find(response, "RequestId", &value) == 0)
        keep_request_id(verdict, value);
    int has_error = find(response, "Error", &value);
    if (has_error == JSON_DOUBLED)
        return errtext_set(err, -EINVAL, "the reply has two Errors");
    if (has_error == 0 && (outcome = read_error(value, ret, err)) != 0)
        return outcome;
    if (ret->read != NULL) {
        outcome = ret->has_error ? 0 : ret->read(ret->context, &response, err);
        ret->has_task = !ret->has_error && outcome == 0;
        return outcome;
    }
    int has_task = find(response, "TaskId", &value);
    if (has_task == JSON_DOUBLED)
        return errtext_set(err, -EINVAL, "the reply has two TaskIds");
    if (has_task == 0 && (outcome = read_task(value, ret, err)) != 0)
        return outcome;
    if (has_task == 0 && has_error == 0)
        return errtext_set(err, -EINVAL, "the reply has both an Error (%s) and a TaskId",
                           ret->code);
    return 0;
}

static int read_root(struct json_value root, const struct exchange *exchange,
                     struct verdict *verdict, struct answer *ret, struct errtext *err)
{
    struct json_value response;
    int outcome = find(root, "Response", &response);
    if (outcome == JSON_DOUBLED) {
        salvage_request_id(verdict, exchange->body, exchange->body_length);
        return errtext_set(err, -EINVAL, "the reply has two Responses");
    }
    if (outcome != 0 || json_kind_of(response) != JSON_OBJECT)
        return errtext_set(err, -EINVAL, "the reply is JSON without a Response");
    return read_response(response, verdict, ret, err);
}

/* Outcomes: 0; -ENOMEM; another failure for a body that cannot be understood. */
static int read_body(const struct exchange *exchange, struct verdict *verdict, struct answer *ret,
                     struct errtext *err)
{
    struct json json;
    int outcome = json_read(&json, exchange->body, exchange->body_length, err);
    if (outcome != 0) {
        salvage_request_id(verdict, exchange->body, exchange->body_length);
        return errtext_prefix(err, outcome, "the reply cannot be read");
    }
    outcome = read_root(json_root(&json), exchange, verdict, ret, err);
    json_finish(&json);
    return outcome;
}

/*
 * The number in back quotes behind the word "limit", as in "request times equals to `21` in a
 * second, which exceeds the frequency limit `20` for a second"; a backslash may stand before each
 * back quote. Without that word the last number in back quotes. 0 where there is none.
 */
static int64_t named_limit(const char *message)
{
    const char *word = strstr(message, "limit");
    int64_t last = 0;
    for (const char *at = strchr(message, '`'); at != NULL; at = strchr(at, '`')) {
        const char *quote = at++;
        int64_t number = 0;
        const char *first = at;
        for (; *at >= '0' && *at <= '9' && number <= LIMIT_MAX; at++)
            number = number * 10 + (*at - '0');
        bool closed = *at == '`' || (at[0] == '\\' && at[1] == '`');
        if (at == first || !closed || number == 0 || number > LIMIT_MAX)
            continue;
        if (word != NULL && quote > word)
            return number;
        last = number;
    }
    return last;
}

static void judge_error(const struct answer *answer, struct verdict *verdict)
{
    verdict->class = reply_class_of(answer->code);
    set_code(verdict, answer->code);
    set_message(verdict, answer->message);
    if (verdict->class == VERDICT_THROTTLED)
        verdict->limit = named_limit(answer->message);
}

/* A status that is not 200. `answer` is what the body holds, perhaps nothing. */
static void judge_gateway(const struct answer *answer, struct verdict *verdict)
{
    bool may_have_acted =
        answer->has_task || (verdict->http_status >= 500 && verdict->http_status <= 599);
    if (answer->has_error && !may_have_acted) {
        judge_error(answer, verdict);
        return;
    }
    (void)snprintf(verdict->code, sizeof verdict->code, "HTTP.%d", verdict->http_status);
    verdict->class = may_have_acted ? VERDICT_AMBIGUOUS : reply_class_of(verdict->code);
    struct text t = text_over(verdict->message, sizeof verdict->message);
    text_addf(&t, "HTTP status %d", verdict->http_status);
    if (!answer->has_error)
        return;
    text_addf(&t, ": %s: ", answer->code);
    text_add_line(&t, answer->message, strlen(answer->message));
}

static void judge_answered(const struct exchange *exchange, reply_read_fn read, void *context,
                           struct verdict *verdict)
{
    struct answer answer = {.read = read, .context = context};
    struct errtext err = {.text = ""};
    int outcome = read_body(exchange, verdict, &answer, &err);
    if (exchange->http_status != HTTP_OK && outcome != -ENOMEM) {
        judge_gateway(&answer, verdict);
        return;
    }
    if (outcome == 0 && answer.has_error) {
        judge_error(&answer, verdict);
        return;
    }
    if (outcome == 0 && answer.has_task) {
        verdict->class = VERDICT_ACCEPTED;
        verdict->task_id = answer.task_id;
        return;
    }
    verdict->class = VERDICT_AMBIGUOUS;
    set_code(verdict, "Client.BadReply");
    set_message(verdict, outcome != 0 ? err.text : "the reply has neither an Error nor a TaskId");
}

static void judge(const struct exchange *exchange, reply_read_fn read, void *context,
                  struct verdict *ret)
{
    *ret = (struct verdict){.class = VERDICT_AMBIGUOUS, .date_second = exchange->date_second};
    switch (exchange->kind) {
    case EXCHANGE_NOT_SENT:
        ret->class = VERDICT_NOT_SENT;
        set_code(ret, "Client.NotSent");
        set_message(ret, exchange->error != NULL ? exchange->error : "the request was not sent");
        return;
    case EXCHANGE_LOST:
        set_code(ret, "Client.Lost");
        set_message(ret, exchange->error != NULL ? exchange->error : "the answer was lost");
        return;
    case EXCHANGE_ANSWERED:
        ret->http_status = exchange->http_status;
        judge_answered(exchange, read, context, ret);
        return;
    }
}

void reply_judge(const struct exchange *exchange, struct verdict *ret)
{
    judge(exchange, NULL, NULL, ret);
}

void reply_judge_query(const struct exchange *exchange, reply_read_fn read, void *context,
                       struct verdict *ret)
{
    judge(exchange, read, context, ret);
}

/*
 * sign: the signature of one request, step by step, to compare with what another signer made.
 *
 * The secret key comes from the environment alone, is copied into a struct secret, and is wiped
 * there and in the environment before anything is printed; no text ever holds it.
 *
 * Failure paths: a missing option is a usage error; keys that are not in the environment and a body
 * that cannot be read are failures; what the signer refuses is bad data.
 */
#include "base/instant.h"
#include "base/tc3.h"
#include "base/text.h"
#include "ctl/ctl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX (10 * 1024 * 1024) /* the API takes no more */
#define TIMESTAMP_TEXT_MAX 24
#define LIST_MAX 512

struct sign_options {
    const char *host;
    const char *timestamp;
    const char *body;
    const char *service;
    const char *content_type;
    const char *signed_headers;
    const char *action;
};

struct sign_keys {
    const char *id; /* borrowed from the environment */
    struct secret key;
};

struct sign_body {
    char *bytes; /* owned; NULL where empty */
    size_t length;
};

/* Headers to sign: the names point into `list`, the values into the options. */
struct sign_headers {
    char list[LIST_MAX];
    char timestamp[TIMESTAMP_TEXT_MAX];
    struct tc3_header headers[TC3_HEADERS_MAX];
    size_t count;
};

static int take_keys(struct sign_keys *keys)
{
    keys->id = getenv("TENCENTCLOUD_SECRET_ID");
    char *key = getenv("TENCENTCLOUD_SECRET_KEY");
    if (keys->id == NULL || keys->id[0] == '\0')
        return ctl_complain(CTL_FAILED, "TENCENTCLOUD_SECRET_ID is not in the environment");
    if (key == NULL || key[0] == '\0')
        return ctl_complain(CTL_FAILED, "TENCENTCLOUD_SECRET_KEY is not in the environment");
    size_t length = strlen(key);
    int outcome = secret_set(&keys->key, key, length);
    secret_wipe(key, length);
    if (outcome != 0)
        return ctl_complain(CTL_BAD_DATA, "TENCENTCLOUD_SECRET_KEY is longer than %d bytes",
                            SECRET_MAX);
    return CTL_GO_ON;
}

static int read_stream(FILE *stream, const char *name, struct sign_body *ret)
{
    char *bytes = malloc(BODY_MAX + 1);
    if (bytes == NULL)
        return ctl_complain(CTL_FAILED, "out of memory");
    size_t length = fread(bytes, 1, BODY_MAX + 1, stream);
    if (ferror(stream) != 0 || length > BODY_MAX) {
        free(bytes);
        return length > BODY_MAX
                   ? ctl_complain(CTL_BAD_DATA, "%s: a body is at most %d bytes", name, BODY_MAX)
                   : ctl_complain(CTL_FAILED, "%s: %s", name, strerror(errno));
    }
    ret->bytes = bytes;
    ret->length = length;
    return CTL_GO_ON;
}

/* TEXT, @FILE or - for standard input. */
static int read_body(const char *body, struct sign_body *ret)
{
    if (strcmp(body, "-") == 0)
        return read_stream(stdin, "standard input", ret);
    if (body[0] == '@') {
        FILE *file = fopen(body + 1, "rbe");
        if (file == NULL)
            return ctl_complain(CTL_FAILED, "%s: %s", body + 1, strerror(errno));
        int exit_code = read_stream(file, body + 1, ret);
        (void)fclose(file);
        return exit_code;
    }
    size_t length = strlen(body);
    char *bytes = strdup(body);
    if (bytes == NULL)
        return ctl_complain(CTL_FAILED, "out of memory");
    ret->bytes = bytes;
    ret->length = length;
    return CTL_GO_ON;
}

static int read_timestamp(const char *string, int64_t *ret)
{
    char *end;
    errno = 0;
    long long value = strtoll(string, &end, 10);
    if (string[0] < '0' || string[0] > '9' || *end != '\0' || errno != 0 || value > WALL_MAX_SECOND)
        return ctl_complain(
            CTL_BAD_DATA, "--timestamp '%s' is not seconds since 1970, such as 1551113065", string);
    *ret = value;
    return CTL_GO_ON;
}

/* The value that the options give the header of this name; NULL where they give none. */
static const char *value_of(const char *name, const struct sign_options *options,
                            const struct sign_headers *headers)
{
    if (strcasecmp(name, "content-type") == 0)
        return options->content_type;
    if (strcasecmp(name, "host") == 0)
        return options->host;
    if (strcasecmp(name, "x-tc-action") == 0)
        return options->action;
    if (strcasecmp(name, "x-tc-timestamp") == 0)
        return headers->timestamp;
    return NULL;
}

static int read_headers(const struct sign_options *options, int64_t timestamp,
                        struct sign_headers *ret)
{
    struct text t = text_over(ret->list, sizeof ret->list);
    text_add(&t, options->signed_headers);
    if (t.cut)
        return ctl_complain(CTL_BAD_DATA, "--signed-headers is longer than %d bytes", LIST_MAX - 1);
    (void)snprintf(ret->timestamp, sizeof ret->timestamp, "%lld", (long long)timestamp);
    char *rest = ret->list;
    for (char *name; (name = strsep(&rest, ";")) != NULL;) {
        const char *value = value_of(name, options, ret);
        if (value == NULL && strcasecmp(name, "x-tc-action") == 0)
            return ctl_complain(CTL_USAGE, "x-tc-action can be signed only with --action");
        if (value == NULL)
            return ctl_complain(CTL_BAD_DATA,
                                "--signed-headers: no value is known for '%s'; there are "
                                "content-type, host, x-tc-action and x-tc-timestamp",
                                name);
        if (ret->count == TC3_HEADERS_MAX)
            return ctl_complain(CTL_BAD_DATA, "--signed-headers has more than %d names",
                                TC3_HEADERS_MAX);
        ret->headers[ret->count++] = (struct tc3_header){name, value};
    }
    return CTL_GO_ON;
}

/* Line feeds are shown as \n. */
static void print_signature(const struct tc3_signature *made)
{
    (void)printf("canonical-request-sha256: %s\nstring-to-sign: ", made->canonical_hash);
    for (const char *at = made->string_to_sign; *at != '\0'; at++)
        (void)fputs(*at == '\n' ? "\\n" : (const char[]){*at, '\0'}, stdout);
    (void)printf("\nsignature: %s\nauthorization: %s\n", made->signature, made->authorization);
}

static void print_signature_json(const struct tc3_signature *made)
{
    (void)printf("{");
    ctl_print_json(true, "canonical_request_sha256", made->canonical_hash);
    ctl_print_json(false, "string_to_sign", made->string_to_sign);
    ctl_print_json(false, "signature", made->signature);
    ctl_print_json(false, "authorization", made->authorization);
    (void)printf("}\n");
}

static int sign_request(const struct tc3_request *request, const struct sign_keys *keys,
                        struct tc3_signature *ret)
{
    struct errtext err;
    struct tc3 *tc3;
    if (tc3_create(&tc3, &err) != 0)
        return ctl_complain(CTL_FAILED, "%s", err.text);
    int outcome = tc3_sign(tc3, request, keys->id, &keys->key, ret, &err);
    tc3_destroy(tc3);
    if (outcome == 0)
        return CTL_GO_ON;
    bool refused = outcome == -EINVAL || outcome == -E2BIG;
    return ctl_complain(refused ? CTL_BAD_DATA : CTL_FAILED, "%s", err.text);
}

static int sign_with(const struct sign_options *options, struct sign_keys *keys,
                     struct sign_body *body, struct tc3_signature *ret)
{
    struct sign_headers headers = {.count = 0};
    int64_t timestamp = 0;
    int exit_code = read_timestamp(options->timestamp, &timestamp);
    if (exit_code == CTL_GO_ON)
        exit_code = read_headers(options, timestamp, &headers);
    if (exit_code == CTL_GO_ON)
        exit_code = read_body(options->body, body);
    if (exit_code == CTL_GO_ON)
        exit_code = take_keys(keys);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    const struct tc3_request request = {
        .method = "POST",
        .query = "",
        .service = options->service,
        .timestamp = timestamp,
        .headers = headers.headers,
        .header_count = headers.count,
        .body = body->bytes,
        .body_length = body->length,
    };
    return sign_request(&request, keys, ret);
}

static int sign(struct ctl *ctl, int argc, char **argv)
{
    struct sign_options o = {.host = NULL};
    const struct ctl_option options[] = {
        {.name = "--host", .value = &o.host},
        {.name = "--timestamp", .value = &o.timestamp},
        {.name = "--body", .value = &o.body},
        {.name = "--service", .value = &o.service},
        {.name = "--content-type", .value = &o.content_type},
        {.name = "--signed-headers", .value = &o.signed_headers},
        {.name = "--action", .value = &o.action},
    };
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    if (o.host == NULL || o.timestamp == NULL || o.body == NULL)
        return ctl_complain_usage(ctl, "sign needs %s",
                                  o.host == NULL        ? "--host"
                                  : o.timestamp == NULL ? "--timestamp"
                                                        : "--body");
    o.service = o.service != NULL ? o.service : "redis";
    o.content_type = o.content_type != NULL ? o.content_type : "application/json";
    o.signed_headers = o.signed_headers != NULL ? o.signed_headers : "content-type;host";

    struct sign_keys keys = {.id = NULL};
    struct sign_body body = {.bytes = NULL};
    struct tc3_signature made;
    exit_code = sign_with(&o, &keys, &body, &made);
    secret_finish(&keys.key);
    free(body.bytes);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    if (ctl->json)
        print_signature_json(&made);
    else
        print_signature(&made);
    return CTL_DONE;
}

const struct verb verb_sign = {
    .name = "sign",
    .arguments = "--host H --timestamp T --body B [OPTION...]",
    .summary = "the TC3-HMAC-SHA256 signature of one POST request, step by step",
    .help = "Keys come from the environment: TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY.\n"
            "\n"
            "  --host H               the Host header as sent, with its port where it has one\n"
            "  --timestamp T          X-TC-Timestamp, seconds since 1970\n"
            "  --body B               the body; @FILE reads a file, - standard input\n"
            "  --service S            default redis\n"
            "  --content-type C       default application/json\n"
            "  --signed-headers LIST  default content-type;host; also x-tc-action and\n"
            "                         x-tc-timestamp, joined by ;\n"
            "  --action A             the value of X-TC-Action\n"
            "  --json                 one JSON object instead of lines\n",
    .run = sign,
};

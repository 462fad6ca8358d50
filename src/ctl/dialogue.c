/*
 * See dialogue.h.
 *
 * A blocking socket, and poll() before every read. A write that fails is not the end: a daemon that
 * refuses may have closed its side already, and what it said stands in our socket.
 *
 * With --json the rows go out as they came, between the brackets of their line, so that nothing is
 * lost or rewritten on the way; the line was read as JSON before, and the few control characters
 * that JSON lets pass are escaped.
 */
#include "ctl/dialogue.h"

#include "base/text.h"
#include "ctl/answer.h"
#include "ctl/dialogue_place.h"
#include "ports/clock_system.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct dialogue {
    int fd;
    int64_t timeout_us;
    struct place place;
    struct json_writer request;
    char request_bytes[DIALOGUE_REQUEST_MAX];
    char line[DIALOGUE_LINE_MAX]; /* what was read and not yet taken: from `at` up to `end` */
    size_t at;
    size_t end;
    size_t answered; /* bytes of this answer */
    struct mono give_up_at;
};

/* ---- reading lines ---- */

static int no_answer(const struct dialogue *dialogue, struct errtext *err, const char *what)
{
    return errtext_set(err, CTL_NO_DAEMON, "%s: %s", dialogue->place.path, what);
}

static int strange_answer(const struct dialogue *dialogue, struct errtext *err, const char *why)
{
    return errtext_set(err, CTL_NO_DAEMON, "%s: what answers there is not crsbackupd: %s",
                       dialogue->place.path, why);
}

static int too_late(const struct dialogue *dialogue, struct errtext *err)
{
    char duration[TEXT_DURATION_MAX];
    return errtext_set(err, CTL_NO_DAEMON,
                       "%s: the daemon gave no %sanswer within %s; --timeout sets it",
                       dialogue->place.path, dialogue->answered > 0 ? "whole " : "",
                       text_format_duration(dialogue->timeout_us, duration));
}

/* Waits for bytes until the daemon was silent too long, or the answer took too long. */
static int wait_for_bytes(const struct dialogue *dialogue, struct errtext *err)
{
    struct mono silent_at = mono_add_ns(clock_mono(), dialogue->timeout_us * NS_PER_US);
    struct mono until = mono_earlier(silent_at, dialogue->give_up_at);
    for (;;) {
        int64_t left_ms = (mono_diff_ns(until, clock_mono()) + 999999) / 1000000;
        if (left_ms <= 0)
            return too_late(dialogue, err);
        struct pollfd poll_fd = {.fd = dialogue->fd, .events = POLLIN};
        int r = poll(&poll_fd, 1, (int)left_ms);
        if (r > 0)
            return CTL_GO_ON;
        if (r < 0 && errno != EINTR)
            return no_answer(dialogue, err, strerror(errno));
    }
}

static int read_more(struct dialogue *dialogue, struct errtext *err)
{
    if (dialogue->at > 0) {
        memmove(dialogue->line, dialogue->line + dialogue->at, dialogue->end - dialogue->at);
        dialogue->end -= dialogue->at;
        dialogue->at = 0;
    }
    if (dialogue->end == DIALOGUE_LINE_MAX)
        return strange_answer(dialogue, err, "its line does not end");
    if (dialogue->answered > DIALOGUE_ANSWER_MAX)
        return strange_answer(dialogue, err, "its answer does not end");
    int exit_code = wait_for_bytes(dialogue, err);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    ssize_t got;
    do
        got = recv(dialogue->fd, dialogue->line + dialogue->end, DIALOGUE_LINE_MAX - dialogue->end,
                   0);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return no_answer(dialogue, err, "the daemon went away without a whole answer");
    dialogue->end += (size_t)got;
    dialogue->answered += (size_t)got;
    return CTL_GO_ON;
}

/* The next line, without its line feed; valid until the next call. */
static int read_line(struct dialogue *dialogue, const char **ret, size_t *ret_length,
                     struct errtext *err)
{
    size_t looked = 0;
    for (;;) {
        const char *from = dialogue->line + dialogue->at;
        size_t length = dialogue->end - dialogue->at;
        const char *feed = memchr(from + looked, '\n', length - looked);
        if (feed != NULL) {
            *ret = from;
            *ret_length = (size_t)(feed - from);
            dialogue->at += *ret_length + 1;
            return CTL_GO_ON;
        }
        looked = length;
        int exit_code = read_more(dialogue, err);
        if (exit_code != CTL_GO_ON)
            return exit_code;
    }
}

/* ---- one answer ---- */

struct answer {
    struct dialogue *dialogue;
    const struct dialogue_rows *rows;
    bool printed; /* the object is begun */
    bool follows; /* a row stands before the next */
};

/* Bytes of JSON; control characters that JSON lets pass (DEL and C1) are escaped. */
static void print_raw(FILE *to, const char *bytes, size_t length)
{
    size_t from = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        unsigned char next = i + 1 < length ? (unsigned char)bytes[i + 1] : 0xFF;
        if (c != 0x7F && (c != 0xC2 || next >= 0xA0))
            continue;
        (void)fwrite(bytes + from, 1, i - from, to);
        (void)fprintf(to, "\\u00%02x", c == 0x7F ? c : next);
        from = i + (c == 0x7F ? 1 : 2);
    }
    (void)fwrite(bytes + from, 1, length - from, to);
}

static void begin_object(struct answer *answer)
{
    if (answer->printed)
        return;
    answer->printed = true;
    (void)fprintf(answer->rows->json, "{");
    if (answer->rows->member != NULL)
        (void)fprintf(answer->rows->json, "\"%s\":[", answer->rows->member);
}

/* What stands between `before` and `behind` in the line; NULL where they do not. */
static const char *inside(const char *line, size_t length, const char *before, const char *behind,
                          size_t *ret_length)
{
    size_t head = strlen(before);
    size_t tail = strlen(behind);
    if (length < head + tail || memcmp(line, before, head) != 0
        || memcmp(line + length - tail, behind, tail) != 0)
        return NULL;
    *ret_length = length - head - tail;
    return line + head;
}

static bool take_rows(struct answer *answer, struct json_value rows, const char *line,
                      size_t length)
{
    struct json_value row = {NULL, NULL};
    if (answer->rows->json != NULL) {
        size_t size;
        const char *bytes = inside(line, length, "{\"rows\":[", "]}", &size);
        if (bytes == NULL || answer->rows->member == NULL)
            return false;
        begin_object(answer);
        if (answer->follows && size > 0)
            (void)fprintf(answer->rows->json, ",");
        answer->follows = answer->follows || size > 0;
        print_raw(answer->rows->json, bytes, size);
        return true;
    }
    while (json_next(rows, &row))
        if (answer->rows->each != NULL)
            answer->rows->each(answer->rows->context, row);
    return json_kind_of(rows) == JSON_ARRAY;
}

static bool take_end(struct answer *answer, struct json_value end, const char *line, size_t length)
{
    if (json_kind_of(end) != JSON_OBJECT)
        return false;
    if (answer->rows->json == NULL)
        return true;
    size_t size;
    const char *bytes = inside(line, length, "{\"end\":{", "}}", &size);
    if (bytes == NULL)
        return false;
    begin_object(answer);
    (void)fprintf(answer->rows->json, "%s%s", answer->rows->member != NULL ? "]" : "",
                  answer->rows->member != NULL && size > 0 ? "," : "");
    print_raw(answer->rows->json, bytes, size);
    (void)fprintf(answer->rows->json, "}\n");
    return true;
}

static int refusal(const struct dialogue *dialogue, struct json_value error, struct errtext *err)
{
    static const struct {
        const char *code;
        int exit_code;
    } known[] = {{"usage", CTL_USAGE}, {"not_found", CTL_BAD_DATA}, {"too_large", CTL_BAD_DATA}};
    char code[32];
    char text[ERRTEXT_MAX];
    if (!answer_text(error, "code", code, sizeof code)
        || !answer_text(error, "text", text, sizeof text))
        return strange_answer(dialogue, err, "its refusal has no text");
    int exit_code = CTL_FAILED;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(code, known[i].code) == 0)
            exit_code = known[i].exit_code;
    return errtext_set(err, exit_code, "%s", text);
}

#define MORE (-2) /* of take_line alone: another line follows */

static int take_line(struct answer *answer, const char *line, size_t length, struct json *ret_end,
                     struct errtext *err)
{
    struct json json;
    struct json_value value;
    struct errtext why = {""};
    const struct dialogue *dialogue = answer->dialogue;
    if (!text_is_utf8(line, length) || json_read(&json, line, length, &why) != 0)
        return strange_answer(dialogue, err,
                              why.text[0] != '\0' ? why.text : "its answer is not UTF-8");
    int exit_code = strange_answer(dialogue, err, "its answer is none of the protocol");
    if (json_member(json_root(&json), "rows", &value) == 0
        && take_rows(answer, value, line, length))
        exit_code = MORE;
    else if (json_member(json_root(&json), "error", &value) == 0)
        exit_code = refusal(dialogue, value, err);
    else if (json_member(json_root(&json), "end", &value) == 0
             && take_end(answer, value, line, length))
        exit_code = CTL_GO_ON;
    if (exit_code == CTL_GO_ON)
        *ret_end = json;
    else
        json_finish(&json);
    return exit_code;
}

/* ---- asking ---- */

struct json_writer *dialogue_begin(struct dialogue *dialogue, const char *verb)
{
    dialogue->request = json_write_over(dialogue->request_bytes, sizeof dialogue->request_bytes);
    json_open(&dialogue->request, NULL, '{');
    json_put_text(&dialogue->request, "verb", verb);
    return &dialogue->request;
}

void dialogue_put_values(struct json_writer *request, const char *key,
                         const struct ctl_values *values)
{
    if (values->count == 0)
        return;
    json_open(request, key, '[');
    for (size_t i = 0; i < values->count; i++)
        json_put_text(request, NULL, values->items[i]);
    json_close(request, ']');
}

static void send_request(const struct dialogue *dialogue)
{
    const struct text *text = &dialogue->request.text;
    for (size_t sent = 0; sent < text->length;) {
        ssize_t n = send(dialogue->fd, text->bytes + sent, text->length - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return; /* what was said before it closed is read */
        sent += n > 0 ? (size_t)n : 0;
    }
}

int dialogue_ask(struct dialogue *dialogue, const struct dialogue_rows *rows, struct json *ret_end,
                 struct errtext *err)
{
    struct answer answer = {.dialogue = dialogue, .rows = rows};
    json_close(&dialogue->request, '}');
    text_add_char(&dialogue->request.text, '\n');
    if (dialogue->request.text.cut)
        return errtext_set(err, CTL_BAD_DATA, "the request is longer than %d bytes",
                           DIALOGUE_REQUEST_MAX);
    dialogue->answered = 0;
    dialogue->give_up_at =
        mono_add_ns(clock_mono(), dialogue->timeout_us * NS_PER_US * DIALOGUE_PATIENCE);
    send_request(dialogue);
    int exit_code;
    do {
        const char *line;
        size_t length;
        exit_code = read_line(dialogue, &line, &length, err);
        if (exit_code == CTL_GO_ON)
            exit_code = take_line(&answer, line, length, ret_end, err);
    } while (exit_code == MORE);
    return exit_code;
}

/* ---- life ---- */

static int read_timeout(const char *text, int64_t *ret, struct errtext *err)
{
    int64_t us = DIALOGUE_TIMEOUT_US;
    if (text != NULL && text_parse_duration(text, &us, err) != 0)
        return errtext_prefix(err, CTL_BAD_DATA, "--timeout");
    if (us < 1000 || us > DIALOGUE_TIMEOUT_MAX_US)
        return errtext_set(err, CTL_BAD_DATA, "--timeout is from 1ms to 1h");
    *ret = us;
    return CTL_GO_ON;
}

int dialogue_open(const struct dialogue_options *options, struct dialogue **ret,
                  struct errtext *err)
{
    struct dialogue *dialogue = calloc(1, sizeof *dialogue);
    if (dialogue == NULL)
        return errtext_set(err, CTL_FAILED, "no memory");
    dialogue->fd = -1;
    int exit_code = read_timeout(options->timeout, &dialogue->timeout_us, err);
    if (exit_code == CTL_GO_ON)
        exit_code = place_connect(options->socket, options->config, dialogue->timeout_us,
                                  &dialogue->place, &dialogue->fd, err);
    if (exit_code != CTL_GO_ON) {
        dialogue_close(dialogue);
        return exit_code;
    }
    *ret = dialogue;
    return CTL_GO_ON;
}

void dialogue_close(struct dialogue *dialogue)
{
    if (dialogue == NULL)
        return;
    if (dialogue->fd >= 0)
        (void)close(dialogue->fd);
    free(dialogue);
}

int dialogue_once(const struct dialogue_options *options, const char *verb,
                  void (*put)(const void *context, struct json_writer *request),
                  const void *context, const struct dialogue_rows *rows, struct json *ret_end,
                  struct errtext *err)
{
    struct dialogue *dialogue = NULL;
    int exit_code = dialogue_open(options, &dialogue, err);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    struct json_writer *request = dialogue_begin(dialogue, verb);
    if (put != NULL)
        put(context, request);
    exit_code = dialogue_ask(dialogue, rows, ret_end, err);
    dialogue_close(dialogue);
    return exit_code;
}

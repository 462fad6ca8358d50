/*
 * status: the daemon on one screen. First how it is, a line a part, those about trouble only where
 * there is some; then the schedules, those with trouble first.
 */
#include "base/text.h"
#include "ctl/answer.h"
#include "ctl/dialogue.h"
#include "ctl/table.h"
#include "ctl/when.h"
#include "engine/model.h"
#include "ports/clock_system.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_TEXT 1024
#define ROWS_LEAST 5    /* of schedules, however low the terminal is */
#define NAMED_WIDTH 100 /* of a terminal that has room for the oldest backup's instance */

/* What is kept of a schedule until all are known. */
struct line {
    char name[MODEL_NAME_MAX + 1];
    char instances[24];
    char result[160];
    char good[MODEL_INSTANCE_ID_MAX + WHEN_TEXT_MAX + 48];
    enum screen_look result_look;
    enum screen_look good_look;
    int rank; /* the least first */
    bool paused;
    struct wall next;
    struct wall until;
    struct wall last_slot;
};

struct status {
    struct line *lines;
    size_t count;
    size_t size;
    struct wall now;
    struct screen screen;
    int printed; /* lines, so far */
};

/* ---- a schedule ---- */

static void add_count(struct text *t, struct json_value last, const char *name, const char *word)
{
    int64_t count = answer_number(last, name);
    if (count > 0)
        text_addf(t, "%s%lld %s", t->length > 0 ? ", " : "", (long long)count, word);
}

static void read_result(struct json_value row, struct line *line)
{
    struct json_value last = answer_member(row, "last");
    struct text t = text_over(line->result, sizeof line->result);
    bool failed = answer_number(last, "failed") > 0 || answer_number(last, "unknown") > 0
                  || answer_number(last, "stuck") > 0;
    bool left_out = answer_number(last, "missed") > 0 || answer_number(last, "skipped") > 0;
    add_count(&t, last, "failed", "failed");
    add_count(&t, last, "unknown", "unknown");
    add_count(&t, last, "stuck", "stuck");
    add_count(&t, last, "missed", "missed");
    add_count(&t, last, "skipped", "skipped");
    add_count(&t, last, "open", "to send");
    add_count(&t, last, "submitted", "running");
    add_count(&t, last, "succeeded", "ok");
    line->result_look = failed ? LOOK_BAD : left_out ? LOOK_WARNING : LOOK_PLAIN;
    if (failed || left_out)
        line->rank = failed ? 0 : 1;
}

static void read_good(const struct status *status, struct json_value row, struct line *line)
{
    struct json_value oldest = answer_member(row, "oldest_good");
    struct text t = text_over(line->good, sizeof line->good);
    char instance[MODEL_INSTANCE_ID_MAX + 1];
    char age[WHEN_TEXT_MAX];
    struct wall at;
    if (answer_instant(oldest, "at", &at)) {
        text_add(&t, when_span(wall_diff_us(status->now, at), age));
        if (answer_text(oldest, "instance", instance, sizeof instance)
            && (!status->screen.terminal || status->screen.width >= NAMED_WIDTH))
            text_addf(&t, " (%s)", instance);
    }
    int64_t never = answer_number(row, "never_good");
    int64_t overdue = answer_number(row, "overdue");
    if (overdue > 0)
        text_addf(&t, "%s%lld overdue", t.length > 0 ? ", " : "", (long long)overdue);
    if (never > 0)
        text_addf(&t, "%s%lld never", t.length > 0 ? ", " : "", (long long)never);
    line->good_look = overdue > 0 ? LOOK_BAD : never > 0 ? LOOK_WARNING : LOOK_PLAIN;
    if (overdue > 0)
        line->rank = 0;
    else if (never > 0 && line->rank > 1)
        line->rank = 1;
}

static void read_schedule(void *context, struct json_value row)
{
    struct status *status = context;
    if (status->count == status->size) {
        size_t size = status->size * 2 + 64;
        struct line *lines = reallocarray(status->lines, size, sizeof *lines);
        if (lines == NULL)
            abort();
        status->lines = lines;
        status->size = size;
    }
    struct line *line = &status->lines[status->count++];
    *line = (struct line){.rank = 2, .paused = answer_flag(row, "paused")};
    (void)answer_text(row, "name", line->name, sizeof line->name);
    (void)snprintf(line->instances, sizeof line->instances, "%lld",
                   (long long)answer_number(row, "instances"));
    (void)answer_instant(row, "next", &line->next);
    (void)answer_instant(row, "paused_until", &line->until);
    (void)answer_instant(row, "last_slot", &line->last_slot);
    read_result(row, line);
    read_good(status, row, line);
    if (line->paused)
        line->rank = 3;
}

static int compare(const void *a, const void *b)
{
    const struct line *one = a;
    const struct line *other = b;
    if (one->rank != other->rank)
        return one->rank < other->rank ? -1 : 1;
    /* What never comes is last. */
    int64_t first = one->next.us != 0 ? one->next.us : INT64_MAX;
    int64_t second = other->next.us != 0 ? other->next.us : INT64_MAX;
    if (first != second)
        return first < second ? -1 : 1;
    return strcmp(one->name, other->name);
}

static void put_next(struct table *table, const struct status *status, const struct line *line)
{
    char text[2 * WHEN_TEXT_MAX];
    char at[WHEN_TEXT_MAX];
    struct text t = text_over(text, sizeof text);
    if (line->paused && line->until.us != 0 && status->screen.terminal)
        text_addf(&t, "paused, %s left", when_span(wall_diff_us(line->until, status->now), at));
    else if (line->paused && line->until.us != 0)
        text_addf(&t, "paused until %s", when_short(line->until, at));
    else if (line->paused)
        text_add(&t, "paused");
    else if (line->next.us != 0 && status->screen.terminal)
        text_add(&t, when_from(line->next, status->now, at));
    else if (line->next.us != 0)
        text_add(&t, when_short(line->next, at));
    table_put(table, line->paused ? LOOK_WARNING : LOOK_PLAIN, text);
}

static void print_schedules(struct status *status)
{
    static const struct table_column columns[] = {
        {.head = "SCHEDULE"},
        {.head = "INSTANCES", .right = true, .dispensable = 2},
        {.head = "NEXT"},
        {.head = "LAST SLOT", .dispensable = 1},
        {.head = "RESULT", .cut = true},
        {.head = "OLDEST GOOD"},
    };
    struct table *table =
        table_create(columns, sizeof columns / sizeof columns[0], &status->screen);
    if (status->count > 0)
        qsort(status->lines, status->count, sizeof *status->lines, compare);
    for (size_t i = 0; i < status->count; i++) {
        const struct line *line = &status->lines[i];
        char slot[WHEN_TEXT_MAX];
        table_put(table, LOOK_PLAIN, line->name);
        table_put(table, LOOK_PLAIN, line->instances);
        put_next(table, status, line);
        table_put(table, LOOK_PLAIN,
                  line->last_slot.us != 0 ? when_short(line->last_slot, slot) : "");
        table_put(table, line->result_look, line->result);
        table_put(table, line->good_look, line->good);
    }
    int room = status->screen.height - status->printed - 4; /* head, blank, rest, prompt */
    size_t most = status->screen.height == 0 ? SIZE_MAX
                  : room > ROWS_LEAST        ? (size_t)room
                                             : ROWS_LEAST;
    table_print(table, most);
    if (status->screen.terminal && status->count > most)
        (void)printf("and %zu more: crsbackupctl list\n", status->count - most);
    table_destroy(table);
}

/* ---- the daemon ---- */

static void PRINTF_LIKE(4, 5)
    say(struct status *status, const char *name, enum screen_look look, const char *format, ...)
{
    char text[LINE_MAX_TEXT];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)printf("%-12s%s%s%s\n", name, screen_begin(&status->screen, look), text,
                 screen_end(&status->screen, look));
    status->printed++;
}

static void say_daemon(struct status *status, struct json_value end)
{
    char version[64];
    char up[WHEN_TEXT_MAX];
    struct wall started;
    (void)answer_text(end, "version", version, sizeof version);
    (void)answer_instant(end, "started", &started);
    bool draining = answer_flag(end, "draining");
    bool ready = answer_flag(end, "ready");
    say(status, "daemon", draining || !ready ? LOOK_WARNING : LOOK_GOOD,
        "crsbackupd %s, pid %lld, up %s, %s", version, (long long)answer_number(end, "pid"),
        when_span(wall_diff_us(status->now, started), up),
        draining ? "stopping"
        : ready  ? "ready"
                 : "not ready");
}

static void say_config(struct status *status, struct json_value end)
{
    struct json_value config = answer_member(end, "config");
    struct json_value reload = answer_member(config, "last_reload");
    char file[512];
    char text[512];
    char when[WHEN_TEXT_MAX];
    struct wall at;
    (void)answer_text(config, "file", file, sizeof file);
    (void)answer_instant(config, "loaded", &at);
    long long schedules = answer_number(config, "schedules");
    long long instances = answer_number(config, "instances");
    say(status, "file", LOOK_PLAIN, "%s, %lld schedule%s, %lld instance%s, loaded %s", file,
        schedules, schedules == 1 ? "" : "s", instances, instances == 1 ? "" : "s",
        when_from(at, status->now, when));
    if (reload.item == NULL || answer_flag(reload, "ok"))
        return;
    (void)answer_text(reload, "text", text, sizeof text);
    (void)answer_instant(reload, "at", &at);
    say(status, "", LOOK_BAD, "reload refused %s: %s", when_from(at, status->now, when), text);
}

static void say_work(struct status *status, struct json_value end)
{
    if (answer_flag(end, "restoring"))
        say(status, "", LOOK_WARNING,
            "the history is still being read: good backups may be missing");
    say(status, "sending", LOOK_PLAIN,
        "%lld in flight, %lld waiting, %lld running in the cloud, %lld looked for",
        (long long)answer_number(end, "in_flight"), (long long)answer_number(end, "waiting"),
        (long long)answer_number(end, "watching"), (long long)answer_number(end, "looking_up"));
}

static void say_clock(struct status *status, struct json_value end)
{
    char text[256];
    if (answer_flag(end, "clock_held"))
        say(status, "clock", LOOK_BAD, "cannot be believed, so nothing is sent: %s",
            answer_text(end, "clock_text", text, sizeof text) ? text : "the log says why");
}

static void say_limiter(struct status *status, struct json_value end)
{
    struct json_value row = {NULL, NULL};
    struct json_value limiter = answer_member(end, "limiter");
    char host[MODEL_HOST_MAX];
    char text[64];
    while (limiter.item != NULL && json_next(limiter, &row)) {
        (void)answer_text(row, "host", host, sizeof host);
        (void)answer_text(row, "action", text, sizeof text);
        bool down = answer_flag(row, "down");
        bool sends = strcmp(text, "ManualBackupInstance") == 0;
        if (!sends && answer_number(row, "queued") == 0)
            continue; /* a queue of questions, and nobody asks */
        say(status, "limiter", down ? LOOK_BAD : LOOK_PLAIN,
            "%s%s%s: %.4g/s, %lld in the last minute, %lld queued%s", host, sends ? "" : " ",
            sends ? "" : text, answer_decimal(row, "per_second"),
            (long long)answer_number(row, "requests_last_minute"),
            (long long)answer_number(row, "queued"),
            down ? "; the host gives no sign of life" : "");
    }
}

static void say_credentials(struct status *status, struct json_value end)
{
    struct json_value credentials = answer_member(end, "credentials");
    char provider[64];
    char failing[512];
    char span[WHEN_TEXT_MAX];
    char until[2 * WHEN_TEXT_MAX] = "";
    struct wall at;
    bool known = answer_text(credentials, "provider", provider, sizeof provider);
    bool ends = answer_instant(credentials, "until", &at);
    bool ended = ends && !wall_before(status->now, at);
    if (ends) {
        struct text t = text_over(until, sizeof until);
        text_addf(&t, ended ? ", ended %s" : ", end %s", when_from(at, status->now, span));
    }
    say(status, "keys", ended || !known ? LOOK_BAD : LOOK_PLAIN, "%s%s",
        known ? provider : "there are none", until);
    if (answer_text(credentials, "failing", failing, sizeof failing))
        say(status, "", LOOK_BAD, "%s", failing);
    if (answer_text(credentials, "refused", failing, sizeof failing))
        say(status, "", LOOK_BAD, "the cloud refuses them: %s", failing);
}

static void say_records(struct status *status, struct json_value end)
{
    struct json_value ledger = answer_member(end, "ledger");
    char text[512];
    int64_t lost = answer_number(answer_member(end, "log"), "lost");
    if (!answer_flag(ledger, "ok")) {
        (void)answer_text(ledger, "text", text, sizeof text);
        say(status, "ledger", LOOK_BAD, "cannot record, so nothing is sent: %s", text);
    }
    if (lost > 0)
        say(status, "log", LOOK_WARNING, "%lld lines could not be written", (long long)lost);
}

static void print_status(struct status *status, struct json_value end)
{
    say_daemon(status, end);
    say_config(status, end);
    say_work(status, end);
    say_clock(status, end);
    say_limiter(status, end);
    say_credentials(status, end);
    say_records(status, end);
    (void)printf("\n");
    print_schedules(status);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    struct dialogue_options where = {.socket = NULL};
    const struct ctl_option options[] = {DIALOGUE_OPTIONS(where)};
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    struct status status = {.now = clock_now().wall, .screen = screen_of(stdout)};
    const struct dialogue_rows rows = {.each = read_schedule,
                                       .context = &status,
                                       .json = ctl->json ? stdout : NULL,
                                       .member = "schedules"};
    struct json end;
    struct errtext err = {""};
    exit_code = dialogue_once(&where, "status", NULL, NULL, &rows, &end, &err);
    if (exit_code == CTL_GO_ON) {
        if (!ctl->json)
            print_status(&status, answer_member(json_root(&end), "end"));
        json_finish(&end);
        exit_code = CTL_DONE;
    } else {
        (void)ctl_complain(exit_code, "%s", err.text);
    }
    free(status.lines);
    return exit_code;
}

const struct verb verb_status = {
    .name = "status",
    .arguments = "[--socket PATH | -c FILE]",
    .summary = "the daemon and its schedules on one screen",
    .help = "How the daemon is, and of each schedule its next slot, what became of the last\n"
            "one, and the age of the newest good backup of the instance whose is the oldest.\n"
            "Schedules with trouble come first; a terminal shows as many as it has lines for.\n"
            "\n" DIALOGUE_HELP,
    .run = run,
};

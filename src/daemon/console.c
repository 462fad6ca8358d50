/*
 * See console.h. Each turn takes up a bounded share of what clients want, weighed by what it costs
 * at most. An answer of many rows is made part by part, the next one when the kernel has taken the
 * last; nothing is buffered here but one part.
 *
 * Failure paths: a request that is no good is answered with an error and the connection goes on; a
 * client that goes away takes its request with it, whatever that was waiting for.
 */
#include "daemon/announce.h"
#include "daemon/console_ask.h"
#include "daemon/console_desk.h"
#include "daemon/loop.h"
#include "ports/clock_system.h"
#include "ports/config_system.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEDGER_LOOK_NS (5 * NS_PER_SECOND / 1000)
#define TURN_SHARE_NS (4 * NS_PER_SECOND / 1000)

#define NO_MEMORY "{\"error\":{\"code\":\"internal\",\"text\":\"out of memory\"}}\n"

struct console {
    struct daemon *daemon;
    struct control_socket *socket;
    struct ask *waiting; /* list */
    struct desk *desk;
    int64_t share_ns; /* what is left of this turn's */
    char part[CONTROL_PART_MAX + 1];
};

static const char *const no_arguments[] = {NULL};
static const char *const pause_arguments[] = {"schedule", "until", NULL};
static const char *const resume_arguments[] = {"schedule", NULL};
static const char *const list_arguments[] = {"schedule", "instance", NULL};
static const char *const age_arguments[] = {"schedule", "instance", "max_age_seconds", NULL};

static const char *const history_arguments[] = {
    "schedule", "instance", "since", "until", "failed", "limit", NULL,
};
static const char *const runs_arguments[] = {"slot", "schedule", NULL};
static const char *const why_arguments[] = {"instance", NULL};

static const struct verb verbs[] = {
    {"status", false, no_arguments, console_status},
    {"health", false, no_arguments, console_health},
    {"list", false, list_arguments, console_list},
    {"check-age", false, age_arguments, console_check_age},
    {"history", false, history_arguments, console_history},
    {"runs", false, runs_arguments, console_runs},
    {"why", false, why_arguments, console_why},
    {"reload", true, no_arguments, console_reload},
    {"run", true, list_arguments, console_run},
    {"pause", true, pause_arguments, console_pause},
    {"resume", true, resume_arguments, console_resume},
};

#define VERBS (sizeof verbs / sizeof verbs[0])

/* ---- one request ---- */

void ask_clear(struct ask *ask)
{
    json_finish(&ask->json);
    config_unref(ask->config);
    names_finish(&ask->ids);
    free(ask->id_bytes);
    free(ask->id_seen);
    free(ask->open);
    free(ask->state);
}

static void free_ask(struct ask *ask)
{
    if (ask == NULL)
        return;
    struct ask **link = &ask->console->waiting;
    while (*link != NULL && *link != ask)
        link = &(*link)->next_waiting;
    if (*link == ask)
        *link = ask->next_waiting;
    desk_leave(ask->desk, ask->job);
    ask_clear(ask);
    free(ask);
}

static void on_dropped(void *context, void *kept)
{
    (void)context;
    free_ask(kept);
}

void ask_refuse(struct ask *ask, const char *code, const char *format, ...)
{
    va_list args;
    ask->error_code = code;
    va_start(args, format);
    (void)vsnprintf(ask->error_text, sizeof ask->error_text, format, args);
    va_end(args);
}

bool ask_afford(struct ask *ask, int64_t cost_ns)
{
    if (ask->console->share_ns <= 0)
        return false;
    ask->console->share_ns -= cost_ns;
    return true;
}

void ask_log(struct ask *ask, const char *schedule, int64_t instances)
{
    struct event e = event_make(EVENT_NOTICE, "operator");
    event_text(&e, "verb", ask->verb->name);
    event_text(&e, "schedule", schedule);
    if (instances > 0)
        event_number(&e, "instances", instances);
    event_number(&e, "uid", (int64_t)control_client_uid(ask->client));
    event_number(&e, "pid", (int64_t)control_client_pid(ask->client));
    daemon_write_event(ask->daemon, &e);
}

void ask_set_aside(struct ask *ask)
{
    ask->waits = true;
}

void ask_go_on(struct ask *ask)
{
    bool aside = ask->aside;
    ask->waits = false;
    ask->aside = false;
    if (aside)
        control_client_resume(ask->client);
}

static void begin_to_wait(struct ask *ask, enum ask_wait what)
{
    ask_set_aside(ask);
    ask->waits_for = what;
    ask->next_waiting = ask->console->waiting;
    ask->console->waiting = ask;
}

void ask_wait_for_reload(struct ask *ask)
{
    ask->reload = ask->daemon->reloads_begun + 1; /* what is being read may be older than this */
    begin_to_wait(ask, ASK_WAITS_FOR_RELOAD);
}

void ask_wait_for_ledger(struct ask *ask)
{
    struct ledger_figures figures;
    ledger_sqlite_read_figures(ask->daemon->ledger, &figures);
    ask->durable_at = figures.entries + figures.waiting;
    ask->patience = mono_add_ns(clock_mono(), ASK_PATIENCE_NS);
    begin_to_wait(ask, ASK_WAITS_FOR_LEDGER);
}

static const struct verb *find_verb(struct ask *ask)
{
    char name[32];
    const char *names[VERBS];
    const char *given;
    if (!ask_text(ask, "verb", name, sizeof name, &given))
        return NULL;
    if (given == NULL) {
        ask_refuse(ask, "usage", "the request names no verb");
        return NULL;
    }
    for (size_t i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].name, given) == 0)
            return &verbs[i];
        names[i] = verbs[i].name;
    }
    const char *nearest = text_nearest(given, names, VERBS);
    ask_refuse(ask, "usage", "unknown verb %s%s%s%s", given,
               nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
               nearest != NULL ? "?" : "");
    return NULL;
}

/* Of an honest request's few values most are ids; a tree of very many would take several turns. */
static bool has_too_many_values(const char *bytes, size_t length)
{
    unsigned commas = 0;
    for (size_t i = 0; i < length; i++)
        commas += bytes[i] == ',';
    return commas > ASK_VALUES_MAX;
}

bool ask_read(struct ask *ask, const char *bytes, size_t length)
{
    struct errtext err;
    if (has_too_many_values(bytes, length)) {
        ask_refuse(ask, "usage", "a request has at most %d values", ASK_VALUES_MAX);
        return false;
    }
    if (json_read(&ask->json, bytes, length, &err) < 0) {
        ask_refuse(ask, "usage", "%s", err.text);
        return false;
    }
    ask->args = json_root(&ask->json);
    if (json_kind_of(ask->args) != JSON_OBJECT) {
        ask_refuse(ask, "usage", "a request is an object");
        return false;
    }
    ask->verb = find_verb(ask);
    return ask->verb != NULL && ask_check_arguments(ask);
}

static void begin(struct ask *ask)
{
    size_t length;
    const char *bytes = control_client_request(ask->client, &length);
    if (!ask_read(ask, bytes, length))
        return;
    if (ask->verb->changes && !control_client_may_change(ask->client)) {
        ask_refuse(ask, "denied", "%s is for root, the daemon's own user and the socket's group",
                   ask->verb->name);
        return;
    }
    ask->verb->begin(ask);
}

/* ---- the parts of an answer ---- */

/* Rows up to the part's or the turn's end. Returns the length; 0: there were none. */
static size_t write_rows(struct ask *ask, char *part, size_t size)
{
    struct json_writer w = json_write_over(part, size - sizeof "]}\n" + 1);
    size_t rows = 0;
    json_open(&w, NULL, '{');
    json_open(&w, "rows", '[');
    for (;;) {
        const struct json_writer before = w;
        const struct ask_place at = ask->at;
        enum ask_row row = ask->row(ask, &w);
        ask->rows_over = row == ASK_OVER;
        if (row == ASK_ROW && !w.text.cut && ask->error_code == NULL) {
            rows++;
            continue;
        }
        if (w.text.cut) {
            ask->at = at;
            if (rows == 0)
                ask_refuse(ask, "internal", "a row is too long");
        }
        json_back(&w, &before);
        break;
    }
    if (rows == 0)
        return 0;
    memcpy(part + w.text.length, "]}\n", sizeof "]}\n");
    return w.text.length + sizeof "]}\n" - 1;
}

static size_t write_error(const struct ask *ask, char *part, size_t size)
{
    struct json_writer w = json_write_over(part, size - 1);
    json_open(&w, NULL, '{');
    json_open(&w, "error", '{');
    json_put_text(&w, "code", ask->error_code);
    json_put_text(&w, "text", ask->error_text);
    json_close(&w, '}');
    json_close(&w, '}');
    text_add_char(&w.text, '\n');
    return w.text.length;
}

/* The last line; 0 where the rest of the part is too small for it. */
static size_t write_end(struct ask *ask, char *part, size_t size)
{
    struct json_writer w = json_write_over(part, size);
    json_open(&w, NULL, '{');
    json_open(&w, "end", '{');
    if (ask->end != NULL)
        ask->end(ask, &w);
    json_close(&w, '}');
    json_close(&w, '}');
    text_add_char(&w.text, '\n');
    return w.text.cut ? 0 : w.text.length;
}

/* The last line of an answer that is not refused by then. */
static size_t finish_rows(struct ask *ask, char *part, size_t length)
{
    size_t end = write_end(ask, part + length, CONTROL_PART_MAX + 1 - length);
    if (end == 0 && length == 0)
        ask_refuse(ask, "internal", "the answer is too long");
    return ask->error_code == NULL ? end : 0;
}

static void answer(struct ask *ask)
{
    char *part = ask->console->part;
    struct control_client *client = ask->client;
    size_t length = 0;
    size_t end = 0;
    bool rows = ask->row != NULL && !ask->rows_over;
    (void)ask_afford(ask, ASK_COST_PART_NS);
    if (ask->error_code == NULL && rows)
        length = write_rows(ask, part, CONTROL_PART_MAX + 1);
    if (ask->error_code == NULL && !ask->waits && (ask->row == NULL || ask->rows_over))
        end = finish_rows(ask, part, length);
    if (ask->error_code != NULL && length == 0)
        end = write_error(ask, part, CONTROL_PART_MAX + 1);
    if (end > 0) {
        control_client_keep(client, NULL);
        free_ask(ask);
    }
    if (length + end > 0)
        control_client_answer(client, part, length + end, end > 0);
    else
        control_client_resume(client);
}

/* ---- turns ---- */

static struct ask *take_request(struct console *console, struct control_client *client)
{
    struct ask *ask = calloc(1, sizeof *ask);
    if (ask == NULL) {
        control_client_answer(client, NO_MEMORY, sizeof NO_MEMORY - 1, true);
        return NULL;
    }
    ask->console = console;
    ask->daemon = console->daemon;
    ask->client = client;
    ask->only = -1;
    ask->desk = console->desk;
    control_client_keep(client, ask);
    size_t length;
    (void)control_client_request(client, &length);
    (void)ask_afford(ask, ASK_COST_REQUEST_NS + (int64_t)length * ASK_COST_BYTE_NS);
    begin(ask);
    return ask;
}

/* Whether the wait is over; an error is set where it was in vain. */
static bool has_waited(struct ask *ask, const struct ledger_figures *figures, struct mono now)
{
    const struct daemon *daemon = ask->daemon;
    if (ask->waits_for == ASK_WAITS_FOR_RELOAD) {
        bool reloaded = daemon->reload.count >= ask->reload;
        if (daemon->draining)
            ask_refuse(ask, "refused", "the daemon is stopping");
        else if (reloaded && !daemon->reload.ok)
            ask_refuse(ask, "refused", "%s", daemon->reload.text);
        return reloaded || daemon->draining;
    }
    if (figures->entries >= ask->durable_at)
        return true;
    if (mono_before(now, ask->patience))
        return false;
    ask_refuse(ask, "unavailable", "it was taken, but the ledger has not recorded it yet%s%s",
               daemon->ledger_text[0] != '\0' ? ": " : "", daemon->ledger_text);
    return true;
}

static void wake_waiting(struct console *console, struct mono now)
{
    const struct daemon *daemon = console->daemon;
    struct ledger_figures figures = {0};
    if (console->waiting == NULL)
        return;
    ledger_sqlite_read_figures(daemon->ledger, &figures);
    for (struct ask **link = &console->waiting; *link != NULL;) {
        struct ask *ask = *link;
        if (!has_waited(ask, &figures, now)) {
            link = &ask->next_waiting;
            continue;
        }
        *link = ask->next_waiting;
        ask_go_on(ask);
    }
}

static struct mono next_wake(const struct console *console, struct mono now)
{
    if (control_socket_has_next(console->socket))
        return now;
    for (const struct ask *ask = console->waiting; ask != NULL; ask = ask->next_waiting)
        if (ask->waits_for == ASK_WAITS_FOR_LEDGER)
            return mono_add_ns(now, LEDGER_LOOK_NS);
    return MONO_NEVER;
}

struct mono console_step(struct console *console, struct mono now)
{
    if (console == NULL)
        return MONO_NEVER;
    wake_waiting(console, now);
    console->share_ns = TURN_SHARE_NS;
    while (console->share_ns > 0) {
        struct control_client *client = control_socket_next(console->socket);
        if (client == NULL)
            break;
        struct ask *ask = control_client_kept(client);
        if (ask == NULL)
            ask = take_request(console, client);
        if (ask == NULL)
            continue;
        ask->aside = ask->waits;
        if (ask->waits)
            control_client_wait(client);
        else
            answer(ask);
    }
    return next_wake(console, now);
}

/* ---- life ---- */

/* Whoever cannot read the file's path, as after a mistake in it, finds the daemon all the same. */
static void link_default_place(struct daemon *daemon, struct console *console)
{
    char place[CONFIG_SYSTEM_PATH_MAX];
    struct errtext err = {""};
    if (config_system_socket(place) == NULL || strcmp(place, daemon->config->control_socket) == 0)
        return;
    if (control_socket_link(console->socket, place, &err) < 0)
        daemon_say_warning(daemon, err.text);
}

int console_open(struct daemon *daemon, struct console **ret, struct errtext *err)
{
    struct console *console = calloc(1, sizeof *console);
    if (console == NULL)
        return errtext_set(err, -ENOMEM, "out of memory");
    console->daemon = daemon;
    const struct control_calls calls = {.context = console, .dropped = on_dropped};
    int r = desk_create(loop_uv(daemon->loop), daemon->config->state_dir, &console->desk);
    if (r < 0) {
        free(console);
        return errtext_set(err, r, "out of memory");
    }
    r = control_socket_open(loop_uv(daemon->loop), daemon->config->control_socket, &calls,
                            &console->socket, err);
    if (r == 0) {
        link_default_place(daemon, console);
        *ret = console;
        return 0;
    }
    desk_destroy(console->desk);
    free(console);
    if (daemon->config->control_given)
        return errtext_prefix(err, r, "control.socket");
    char line[ERRTEXT_MAX + 64];
    (void)snprintf(line, sizeof line, "no control socket, crsbackupctl cannot be used: %s",
                   err->text);
    daemon_say_warning(daemon, line);
    return 0;
}

void console_close(struct console *console)
{
    if (console == NULL)
        return;
    control_socket_close(console->socket);
    desk_close(console->desk);
}

void console_destroy(struct console *console)
{
    if (console == NULL)
        return;
    control_socket_destroy(console->socket);
    desk_destroy(console->desk);
    free(console);
}

/* See lifecycle.h. */
#include "daemon/lifecycle.h"

#include "base/civil.h"
#include "daemon/loop.h"
#include "ports/chance_system.h"
#include "ports/clock_system.h"
#include "ports/config_system.h"
#include "ports/log_stderr.h"
#include "ports/log_syslog.h"
#include "version.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_FLUSH_NS NS_PER_SECOND
#define STATUS_NS NS_PER_SECOND
#define RELOAD_LINES_MAX 20 /* errors of a refused file that are logged */

/* ---- log ---- */

static struct wall wall_clock(void)
{
    return clock_now().wall;
}

static bool wants_syslog(enum log_target target)
{
    switch (target) {
    case LOG_TARGET_SYSLOG:
        return true;
    case LOG_TARGET_STDERR:
        return false;
    case LOG_TARGET_AUTO:
        break;
    }
    return !log_stderr_is_terminal() && log_syslog_is_there();
}

/* Outcomes: 0; -ENOMEM and the like: the old writer stays. */
static int open_log(struct daemon *daemon)
{
    const struct config *config = daemon->config;
    struct log_writer writer;
    int r = wants_syslog(config->log_target)
                ? log_syslog_create(config->log_format, &writer)
                : log_stderr_create(config->log_format, wall_clock, &writer);
    if (r < 0)
        return r;
    if (daemon->log.writer.destroy != NULL)
        daemon->log.writer.destroy(daemon->log.writer.context);
    daemon->log = (struct log_line){writer, config->log_level, config->log_format};
    daemon->journal = log_line_journal(&daemon->log);
    return 0;
}

static void write_event(struct daemon *daemon, const struct event *event)
{
    daemon->journal.write(daemon->journal.context, event);
}

static void say_counts(struct daemon *daemon, const char *name)
{
    struct event e = event_make(EVENT_NOTICE, name);
    event_text(&e, "version", CRSBACKUPD_VERSION);
    event_text(&e, "config", daemon->config_path);
    event_number(&e, "schedules", daemon->config->schedule_count);
    event_number(&e, "instances", (int64_t)daemon->config->instance_count);
    struct wall next = engine_status(daemon->engine).next_slot;
    if (next.us != WALL_NEVER.us)
        event_instant(&e, "next_slot", next);
    write_event(daemon, &e);
}

static void say_keys(struct daemon *daemon)
{
    struct event e = event_make(EVENT_NOTICE, "credentials_refreshed");
    event_text(&e, "source", credentials_origin(daemon->credentials));
    write_event(daemon, &e);
}

static void say_failure(struct daemon *daemon, const char *name, const char *text)
{
    struct event e = event_make(EVENT_ERR, name);
    event_text(&e, "config", daemon->config_path);
    event_text(&e, "message", text);
    write_event(daemon, &e);
}

static void say_warning(void *context, const char *line)
{
    struct event e = event_make(EVENT_WARNING, "configuration_warning");
    event_text(&e, "message", line);
    write_event(context, &e);
}

/* ---- status ---- */

static const char *describe(const struct daemon *daemon, char buffer[NOTIFY_STATUS_MAX])
{
    struct engine_status status = engine_status(daemon->engine);
    char instant[CIVIL_TEXT_MAX];
    (void)snprintf(
        buffer, NOTIFY_STATUS_MAX,
        "%s%s; %" PRIu32 " in flight, %" PRIu64 " waiting; %" PRIu64 " submitted, %" PRIu64
        " failed, %" PRIu64 " unknown, %" PRIu64 " missed, %" PRIu64 " skipped",
        daemon->draining ? "Stopping" : "Next slot ",
        daemon->draining                       ? ""
        : status.next_slot.us == WALL_NEVER.us ? "never"
                                               : civil_format_utc(status.next_slot, instant),
        status.in_flight, status.waiting, status.submitted, status.failed, status.unknown,
        status.missed, status.skipped);
    return buffer;
}

static void tell_status(struct daemon *daemon, struct mono now)
{
    if (mono_diff_ns(now, daemon->status_at) < STATUS_NS)
        return;
    char buffer[NOTIFY_STATUS_MAX];
    daemon->status_at = now;
    notify_status(&daemon->notify, describe(daemon, buffer));
}

/* ---- what the ports say ---- */

static void on_wire(void *context, uint64_t ticket, struct mono at)
{
    struct daemon *daemon = context;
    engine_file_on_wire(daemon->engine, ticket, at);
}

static void on_outcome(void *context, uint64_t ticket, const struct exchange *exchange,
                       struct mono at)
{
    struct daemon *daemon = context;
    engine_file_outcome(daemon->engine, ticket, exchange, at);
}

static struct mono read_mono(void *context)
{
    (void)context;
    return clock_mono();
}

static void on_recorded(void *context, uint64_t ticket, int outcome)
{
    struct daemon *daemon = context;
    engine_file_recorded(daemon->engine, ticket, outcome);
}

static void on_signal(void *context, int number)
{
    struct daemon *daemon = context;
    if (number == SIGHUP)
        daemon->reload_wanted = true;
    else
        daemon->drain_wanted = true;
}

/* ---- reload ---- */

static struct http_options http_options_of(const struct config *config)
{
    return (struct http_options){
        .ca_file = config->ca_file,
        .proxy = config->proxy,
        .user_agent = "crsbackupd/" CRSBACKUPD_VERSION,
        .max_in_flight = (unsigned)config->max_in_flight,
    };
}

struct reload_lines {
    struct daemon *daemon;
    int told;
};

static void say_problem(void *context, const char *line)
{
    struct reload_lines *lines = context;
    if (lines->told++ < RELOAD_LINES_MAX)
        say_failure(lines->daemon, "reload_failed", line);
}

/* All of the new file or nothing of it. */
static int take_config(struct daemon *daemon, struct config *config, struct errtext *err)
{
    struct http_options options = http_options_of(config);
    int r = http_curl_reload(daemon->http, &options, err);
    if (r < 0)
        return r;
    r = engine_reload(daemon->engine, config, clock_now());
    if (r < 0) {
        options = http_options_of(daemon->config);
        (void)!http_curl_reload(daemon->http, &options, NULL);
        return errtext_set(err, r, "out of memory");
    }
    config_unref(daemon->config);
    daemon->config = config_ref(config);
    r = open_log(daemon);
    if (r < 0)
        say_failure(daemon, "reload_failed", "the log stays as it was");
    return 0;
}

/* Outcomes: 0; CREDENTIALS_UNUSABLE with a text; -ENOMEM. */
static int read_keys(struct daemon *daemon, struct errtext *err)
{
    const struct config *config = daemon->config;
    return credentials_read(daemon->credentials, config->provider, config->credentials_file,
                            config->profile, err);
}

static void reload_keys(struct daemon *daemon)
{
    struct errtext err = {""};
    if (read_keys(daemon, &err) != 0)
        say_failure(daemon, "credentials_failed", err.text);
    else
        say_keys(daemon);
}

/* Reads the file anew and says what it thinks of it. Outcomes: as config_system_load(). */
static int read_anew(struct daemon *daemon, struct config **ret)
{
    struct config_report report = {0};
    struct reload_lines lines = {.daemon = daemon};
    int r = config_system_load(daemon->config_path, clock_now().wall, ret, &report);
    const struct config_report errors = {.errors = report.errors};
    const struct config_report warnings = {.warnings = report.warnings};
    if (r == CONFIG_INVALID)
        config_report_lines(&errors, daemon->config_path, say_problem, &lines);
    else if (r == 0)
        config_report_lines(&warnings, daemon->config_path, say_warning, daemon);
    else
        say_failure(daemon, "reload_failed", strerrordesc_np(-r));
    config_report_finish(&report);
    return r;
}

static void reload(struct daemon *daemon)
{
    struct errtext err = {""};
    struct config *config = NULL;
    daemon->reload_wanted = false;
    notify_reloading(&daemon->notify, clock_mono());
    int r = read_anew(daemon, &config);
    if (r == 0) {
        r = take_config(daemon, config, &err);
        config_unref(config);
        if (r < 0)
            say_failure(daemon, "reload_failed", err.text);
    }
    if (r == 0) {
        reload_keys(daemon);
        say_counts(daemon, "reloaded");
    }
    char buffer[NOTIFY_STATUS_MAX];
    notify_ready(&daemon->notify, describe(daemon, buffer));
}

/* ---- the way out ---- */

static void begin_drain(struct daemon *daemon, struct now now)
{
    struct event e = event_make(EVENT_NOTICE, "stopping");
    event_number(&e, "in_flight", engine_status(daemon->engine).in_flight);
    write_event(daemon, &e);
    char buffer[NOTIFY_STATUS_MAX];
    daemon->draining = true;
    notify_stopping(&daemon->notify, describe(daemon, buffer));
    engine_drain(daemon->engine, now);
}

static void on_http_closed(void *context)
{
    (void)context; /* the loop ends by itself when its last handle is closed */
}

/* ---- turns ---- */

static struct loop_wake turn(void *context)
{
    struct daemon *daemon = context;
    if (daemon->reload_wanted && !daemon->draining)
        reload(daemon);
    struct now now = clock_now();
    if (daemon->drain_wanted && !daemon->draining)
        begin_drain(daemon, now);
    engine_step(daemon->engine, now);
    if (daemon->draining && engine_is_idle(daemon->engine)) {
        http_curl_close(daemon->http, on_http_closed, daemon);
        loop_stop(daemon->loop);
    }
    size_t kept = daemon->log.writer.flush(daemon->log.writer.context);
    tell_status(daemon, now.mono);

    now = clock_now();
    struct wake wake = engine_next_wake(daemon->engine, now);
    struct mono mono = wake.mono;
    if (kept > 0)
        mono = mono_earlier(mono, mono_add_ns(now.mono, LOG_FLUSH_NS));
    return (struct loop_wake){wake.wall, mono};
}

/* ---- start ---- */

static void print_line(void *context, const char *line)
{
    (void)context;
    (void)fprintf(stderr, "%s\n", line);
}

enum exit_code daemon_load(struct daemon *daemon, const struct options *options)
{
    daemon->config_path = options->config_path;
    daemon->notify.fd = -1;
    if (credentials_create(&daemon->credentials) < 0) {
        (void)fprintf(stderr, "crsbackupd: out of memory\n");
        return EXIT_CODE_FAILURE;
    }
    struct config_report report = {0};
    int r = config_system_load(options->config_path, clock_now().wall, &daemon->config, &report);
    config_report_lines(&report, options->config_path, print_line, NULL);
    config_report_finish(&report);
    if (r == CONFIG_INVALID)
        return EXIT_CODE_CONFIG;
    if (r < 0) {
        (void)fprintf(stderr, "crsbackupd: %s: %s\n", options->config_path, strerrordesc_np(-r));
        return EXIT_CODE_FAILURE;
    }
    struct errtext err = {"out of memory"};
    r = read_keys(daemon, &err);
    if (r == 0)
        return EXIT_CODE_OK;
    (void)fprintf(stderr, "crsbackupd: credentials: %s\n", err.text);
    return r < 0 ? EXIT_CODE_FAILURE : EXIT_CODE_CONFIG;
}

static int create_engine(struct daemon *daemon, struct errtext *err)
{
    const struct ledger_sink sink = {.context = daemon, .recorded = on_recorded};
    int r = ledger_memory_create(&sink, &daemon->ledger);
    if (r < 0)
        return errtext_set(err, r, "out of memory");
    const struct engine_ports ports = {
        .transport = http_curl_transport(daemon->http),
        .ledger = ledger_memory_port(daemon->ledger),
        .keyring = credentials_keyring(daemon->credentials),
        .journal = daemon->journal,
        .chance = chance_system(),
    };
    return engine_create(&ports, daemon->config, clock_now(), &daemon->engine, err);
}

int daemon_start(struct daemon *daemon, struct errtext *err)
{
    int r = open_log(daemon);
    if (r < 0)
        return errtext_set(err, r, "the log cannot be opened: %s", strerrordesc_np(-r));
    struct event e = event_make(EVENT_NOTICE, "started");
    event_text(&e, "version", CRSBACKUPD_VERSION);
    event_number(&e, "pid", getpid());
    write_event(daemon, &e);
    say_keys(daemon);

    const struct loop_calls calls = {.context = daemon, .turn = turn, .signalled = on_signal};
    r = loop_create(&calls, &daemon->loop, err);
    if (r < 0)
        return r;
    const struct http_sink sink = {
        .context = daemon, .on_wire = on_wire, .outcome = on_outcome, .clock = read_mono};
    const struct http_options options = http_options_of(daemon->config);
    r = http_curl_create(loop_uv(daemon->loop), &options, &sink, &daemon->http, err);
    if (r == 0)
        r = create_engine(daemon, err);
    if (r < 0)
        return r;
    notify_init(&daemon->notify);
    char buffer[NOTIFY_STATUS_MAX];
    notify_ready(&daemon->notify, describe(daemon, buffer));
    say_counts(daemon, "ready");
    return 0;
}

int daemon_run(struct daemon *daemon, struct errtext *err)
{
    int r = loop_run(daemon->loop, err);
    if (r < 0)
        return r;
    struct engine_status status = engine_status(daemon->engine);
    struct event e = event_make(EVENT_NOTICE, "stopped");
    event_number(&e, "submitted", (int64_t)status.submitted);
    event_number(&e, "failed", (int64_t)status.failed);
    event_number(&e, "unknown", (int64_t)status.unknown);
    event_number(&e, "missed", (int64_t)status.missed);
    event_number(&e, "skipped", (int64_t)status.skipped);
    write_event(daemon, &e);
    return 0;
}

void daemon_finish(struct daemon *daemon)
{
    engine_destroy(daemon->engine);
    http_curl_destroy(daemon->http);
    ledger_memory_destroy(daemon->ledger);
    loop_destroy(daemon->loop);
    credentials_destroy(daemon->credentials);
    notify_finish(&daemon->notify);
    if (daemon->log.writer.destroy != NULL)
        daemon->log.writer.destroy(daemon->log.writer.context);
    config_unref(daemon->config);
}

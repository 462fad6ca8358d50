/* See lifecycle.h. */
#include "daemon/lifecycle.h"

#include "daemon/announce.h"
#include "daemon/console.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/reading.h"
#include "daemon/reload.h"
#include "daemon/restore.h"
#include "ports/chance_system.h"
#include "ports/clock_system.h"
#include "ports/config_system.h"
#include "ports/metrics_http.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_FLUSH_NS NS_PER_SECOND

/* What a drain may take beyond requests.timeout: the ledger's last entries. */
#define DRAIN_MARGIN_NS (30 * NS_PER_SECOND)

/* ---- what the ports say ---- */

static void on_wire(void *context, uint64_t ticket, struct mono at)
{
    struct daemon *daemon = context;
    if ((ticket & CREDENTIALS_TICKET) == 0)
        engine_file_on_wire(daemon->engine, ticket, at);
}

static void on_outcome(void *context, uint64_t ticket, const struct exchange *exchange,
                       struct mono at)
{
    struct daemon *daemon = context;
    if ((ticket & CREDENTIALS_TICKET) != 0)
        credentials_file_outcome(daemon->credentials, ticket, exchange, at);
    else if (daemon->engine != NULL)
        engine_file_outcome(daemon->engine, ticket, exchange, at);
}

/* Questions for keys are counted with the engine's own. */
static void on_keys_answered(void *context, enum credentials_provider provider,
                             const struct verdict *verdict, int64_t took_ns)
{
    struct daemon *daemon = context;
    enum counters_action action = provider == CREDENTIALS_CVM_ROLE   ? COUNTERS_METADATA
                                  : provider == CREDENTIALS_TKE_OIDC ? COUNTERS_WEB_IDENTITY
                                                                     : COUNTERS_ROLE;
    if (daemon->engine != NULL)
        engine_count_answer(daemon->engine, action, verdict, took_ns);
}

static struct mono read_mono(void *context)
{
    (void)context;
    return clock_mono();
}

static void on_recorded(void *context, uint64_t ticket, int outcome)
{
    struct daemon *daemon = context;
    if (daemon->engine != NULL)
        engine_file_recorded(daemon->engine, ticket, outcome);
}

static void on_ledger(void *context, bool ok, const char *text)
{
    struct daemon *daemon = context;
    (void)snprintf(daemon->ledger_text, sizeof daemon->ledger_text, "%s", ok ? "" : text);
    struct event e =
        event_make(ok ? EVENT_NOTICE : EVENT_ERR, ok ? "ledger_recovered" : "ledger_failed");
    event_text(&e, "message", text);
    daemon_write_event(daemon, &e);
}

static void on_signal(void *context, int number)
{
    struct daemon *daemon = context;
    if (number == SIGHUP)
        daemon->reload_wanted = true;
    else
        daemon->drain_wanted = true;
}

/* ---- the way out ---- */

static void begin_drain(struct daemon *daemon, struct now now)
{
    struct event e = event_make(EVENT_NOTICE, "stopping");
    event_number(&e, "in_flight", engine_status(daemon->engine).in_flight);
    daemon_write_event(daemon, &e);
    char buffer[NOTIFY_STATUS_MAX];
    daemon->draining = true;
    daemon->drain_end =
        mono_add_ns(now.mono, daemon->config->timeout_us * NS_PER_US + DRAIN_MARGIN_NS);
    notify_stopping(&daemon->notify, daemon_describe(daemon, buffer));
    engine_drain(daemon->engine, now);
}

/* The loop ends by itself when the last handle of a port is closed. */
static void on_closed(void *context)
{
    (void)context;
}

static void close_ports(struct daemon *daemon)
{
    daemon->closing = true;
    credentials_close(daemon->credentials);
    console_close(daemon->console);
    restore_close(daemon->restore);
    reading_close(daemon->reading);
    metrics_http_close(daemon->metrics);
    daemon->metrics = NULL;
    if (daemon->http != NULL)
        http_curl_close(daemon->http, on_closed, daemon);
    if (daemon->ledger != NULL)
        ledger_sqlite_close(daemon->ledger, on_closed, daemon);
    loop_stop(daemon->loop);
}

/* ---- turns ---- */

/* The signs of life come from here alone: a loop that does not turn is not alive. */
static struct mono tell_manager(struct daemon *daemon, struct mono now)
{
    struct mono next = daemon_tell_status(daemon, now);
    if (daemon->draining && mono_before(now, daemon->drain_end))
        next = mono_earlier(next, notify_extend(&daemon->notify, now));
    return mono_earlier(next, notify_alive(&daemon->notify, now));
}

/* Ahead of the engine, so that it finds keys that have just come. */
static void step_keys(struct daemon *daemon, struct now now)
{
    switch (credentials_step(daemon->credentials, now)) {
    case CREDENTIALS_REFRESHED:
        daemon_say_keys(daemon);
        break;
    case CREDENTIALS_FAILED:
        daemon_say_no_keys(daemon);
        break;
    case CREDENTIALS_NO_NEWS:
        break;
    }
}

static struct loop_wake turn(void *context)
{
    struct daemon *daemon = context;
    daemon_end_reload(daemon);
    struct now now = clock_now();
    if (daemon->drain_wanted && !daemon->draining)
        begin_drain(daemon, now);
    step_keys(daemon, now);
    struct mono console_wake = console_step(daemon->console, now.mono);
    daemon_begin_reload(daemon);
    engine_step(daemon->engine, now);
    if (daemon->draining && engine_is_idle(daemon->engine))
        close_ports(daemon);
    size_t kept = log_writer_flush(daemon->log);
    struct mono told = tell_manager(daemon, now.mono);

    now = clock_now();
    struct wake wake = engine_next_wake(daemon->engine, now);
    struct wall keys_wall;
    struct mono keys_mono;
    credentials_next_wake(daemon->credentials, &keys_wall, &keys_mono);
    struct mono mono = mono_earlier(mono_earlier(wake.mono, keys_mono), told);
    if (kept > 0)
        mono = mono_earlier(mono, mono_add_ns(now.mono, LOG_FLUSH_NS));
    if (!daemon->closing)
        mono = mono_earlier(mono, console_wake);
    return (struct loop_wake){wall_earlier(wake.wall, keys_wall), mono};
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
    daemon->started_at = daemon->loaded_at = clock_now().wall;
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
    r = daemon_read_keys(daemon, daemon->config, &err);
    if (r == 0)
        return EXIT_CODE_OK;
    (void)fprintf(stderr, "crsbackupd: credentials: %s\n", err.text);
    return r < 0 ? EXIT_CODE_FAILURE : EXIT_CODE_CONFIG;
}

/* The state directory is made where only it is missing. */
static int open_ledger(struct daemon *daemon, struct errtext *err)
{
    const char *directory = daemon->config->state_dir;
    if (mkdir(directory, S_IRWXU) < 0 && errno != EEXIST)
        return errtext_set(err, -errno, "state_dir %s cannot be made: %s; make it, or name another",
                           directory, strerrordesc_np(errno));
    const struct ledger_sqlite_options options = {.state_dir = directory,
                                                  .keep_us = daemon->config->ledger_keep_us};
    const struct ledger_sqlite_sink sink = {
        .context = daemon, .recorded = on_recorded, .state = on_ledger};
    struct errtext warning = {""};
    int r = ledger_sqlite_create(loop_uv(daemon->loop), &options, &sink, &daemon->ledger, &warning,
                                 err);
    if (warning.text[0] != '\0')
        daemon_say_warning(daemon, warning.text);
    return r;
}

static int create_engine(struct daemon *daemon, struct errtext *err)
{
    const struct engine_ports ports = {
        .transport = http_curl_transport(daemon->http),
        .ledger = ledger_sqlite_port(daemon->ledger),
        .keyring = credentials_keyring(daemon->credentials),
        .journal = daemon->journal,
        .chance = chance_system(),
        .built = wall_from_seconds(CRSBACKUPD_BUILD_SECOND),
    };
    int r = engine_create(&ports, daemon->config, clock_now(), &daemon->engine, err);
    if (r < 0)
        return r;
    r = reading_create(loop_uv(daemon->loop), daemon->config_path, &daemon->reading);
    if (r == 0)
        r = restore_begin(loop_uv(daemon->loop), daemon->config->state_dir, daemon->config,
                          daemon->engine, &daemon->restore);
    return r < 0 ? errtext_set(err, r, "out of memory") : 0;
}

/* The file names a place that is not there or not ours. A person mends it; time does not. */
static bool is_misnamed(int outcome)
{
    static const int errors[] = {ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (outcome == -errors[i])
            return true;
    return false;
}

/* Those whose place the file names. */
static int open_places(struct daemon *daemon, struct errtext *err)
{
    struct stat status;
    int r = open_ledger(daemon, err);
    if (r == 0)
        r = console_open(daemon, &daemon->console, err);
    daemon->misnamed = is_misnamed(r);
    /* Where descriptors are short, SQLite's last try ends so as well, and the directory stands. */
    if (r == -ENOENT && daemon->ledger == NULL && stat(daemon->config->state_dir, &status) == 0)
        daemon->misnamed = false;
    return r;
}

static int open_ports(struct daemon *daemon, struct errtext *err)
{
    const struct loop_calls calls = {.context = daemon, .turn = turn, .signalled = on_signal};
    int r = loop_create(&calls, &daemon->loop, err);
    if (r < 0)
        return r;
    const struct http_sink sink = {
        .context = daemon, .on_wire = on_wire, .outcome = on_outcome, .clock = read_mono};
    const struct http_options options = daemon_http_options_of(daemon->config);
    r = http_curl_create(loop_uv(daemon->loop), &options, &sink, &daemon->http, err);
    if (r < 0)
        return r;
    const struct transport transport = http_curl_transport(daemon->http);
    r = credentials_open(daemon->credentials, loop_uv(daemon->loop), &transport, on_keys_answered,
                         daemon, err);
    return r < 0 ? r : open_places(daemon, err);
}

int daemon_start(struct daemon *daemon, struct errtext *err)
{
    int r = daemon_open_log(daemon);
    if (r < 0)
        return errtext_set(err, r, "the log cannot be opened: %s", strerrordesc_np(-r));
    daemon_say_started(daemon);
    if (!credentials_are_locked(daemon->credentials))
        daemon_say_warning(daemon, "the keys' memory cannot be locked (RLIMIT_MEMLOCK) and may be "
                                   "swapped out; raise LimitMEMLOCK=");
    if (credentials_are_there(daemon->credentials))
        daemon_say_keys(daemon);
    r = open_ports(daemon, err);
    if (r == 0)
        r = create_engine(daemon, err);
    if (r == 0)
        r = metrics_open(daemon, daemon->config, &daemon->metrics, err);
    if (r < 0) {
        daemon_say_failure(daemon, "start_failed", err->text);
        return r;
    }
    notify_init(&daemon->notify);
    char buffer[NOTIFY_STATUS_MAX];
    notify_ready(&daemon->notify, daemon_describe(daemon, buffer));
    daemon_say_counts(daemon, "ready");
    return 0;
}

int daemon_run(struct daemon *daemon, struct errtext *err)
{
    int r = loop_run(daemon->loop, err);
    if (r == 0)
        daemon_say_stopped(daemon);
    return r;
}

void daemon_finish(struct daemon *daemon)
{
    if (daemon->loop != NULL && !daemon->closing) {
        /* A start or a run that failed: the ports close as they would at the end. */
        close_ports(daemon);
        (void)!loop_run(daemon->loop, NULL);
    }
    engine_destroy(daemon->engine);
    console_destroy(daemon->console);
    restore_destroy(daemon->restore);
    reading_destroy(daemon->reading);
    http_curl_destroy(daemon->http);
    ledger_sqlite_destroy(daemon->ledger);
    loop_destroy(daemon->loop);
    credentials_destroy(daemon->credentials);
    notify_finish(&daemon->notify);
    daemon_close_log(daemon);
    config_unref(daemon->config);
}

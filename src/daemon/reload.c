/*
 * See reload.h.
 *
 *   IDLE --wanted--> the file is read on the pool (daemon/reading) --over--> taken, or refused
 *    ^                                                                              |
 *    '------------------------------------------------------------------------------'
 *
 * What is wanted while a file is read is one more reading after it: that file may be older than the
 * wish. The new file is taken by the transport and the engine or by neither. Keys that cannot be
 * read refuse the whole reload: the old ones go on. The service manager is told at both ends.
 */
#include "daemon/reload.h"

#include "daemon/announce.h"
#include "daemon/metrics.h"
#include "daemon/reading.h"
#include "engine/view.h"
#include "ports/clock_system.h"
#include "ports/metrics_http.h"
#include "version.h"

#include <stdio.h>
#include <string.h>

#define RELOAD_LINES_MAX 20 /* errors of a refused file that are logged */

struct http_options daemon_http_options_of(const struct config *config)
{
    return (struct http_options){
        .ca_file = config->ca_file,
        .ca_is_checked = true, /* by the configuration's loader */
        .proxy = config->proxy,
        .user_agent = "crsbackupd/" CRSBACKUPD_VERSION,
        .max_in_flight = (unsigned)config->max_in_flight + 1, /* one to ask for keys */
    };
}

struct reload_lines {
    struct daemon *daemon;
    int told;
};

/* The first one is kept for those who asked for the reload. */
static void say_refused(struct daemon *daemon, const char *text)
{
    struct reload *reload = &daemon->reload;
    if (reload->text[0] == '\0')
        (void)snprintf(reload->text, sizeof reload->text, "%s", text);
    daemon_say_failure(daemon, "reload_failed", text);
}

static void say_problem(void *context, const char *line)
{
    struct reload_lines *lines = context;
    if (lines->told++ < RELOAD_LINES_MAX)
        say_refused(lines->daemon, line);
}

/* What a file came to. */
struct fresh {
    struct config *config;
    struct view *view; /* prepared for the engine, which takes it */
};

static int take_into_engine(struct daemon *daemon, struct fresh *fresh, struct errtext *err)
{
    struct http_options options = daemon_http_options_of(fresh->config);
    struct view *view = fresh->view;
    int r = http_curl_reload(daemon->http, &options, err);
    if (r < 0)
        return r;
    fresh->view = NULL;
    r = engine_reload(daemon->engine, fresh->config, view, clock_now());
    if (r == 0)
        return 0;
    options = daemon_http_options_of(daemon->config);
    (void)!http_curl_reload(daemon->http, &options, NULL);
    return errtext_set(err, r, "out of memory");
}

/* All of the new file or nothing of it. */
static int take_config(struct daemon *daemon, struct fresh *fresh, struct errtext *err)
{
    struct config *config = fresh->config;
    bool stay = metrics_stay(daemon->config, config);
    struct metrics_http *metrics = NULL;
    int r = stay ? 0 : metrics_open(daemon, config, &metrics, err);
    if (r == 0)
        r = take_into_engine(daemon, fresh, err);
    if (r < 0) {
        metrics_http_close(metrics);
        return r;
    }
    if (!stay) {
        metrics_http_close(daemon->metrics);
        daemon->metrics = metrics;
    }
    if (strcmp(config->state_dir, daemon->config->state_dir) != 0)
        daemon_say_warning(daemon, "state_dir changes with the next start, not with a reload");
    if (strcmp(config->control_socket, daemon->config->control_socket) != 0)
        daemon_say_warning(daemon, "control.socket changes with the next start, not with a reload");
    ledger_sqlite_set_keep(daemon->ledger, config->ledger_keep_us);
    config_unref(daemon->config);
    daemon->config = config_ref(config);
    daemon->loaded_at = clock_now().wall;
    r = daemon_open_log(daemon);
    if (r < 0)
        daemon_say_failure(daemon, "log_failed", "the log stays as it was");
    return 0;
}

int daemon_read_keys(struct daemon *daemon, const struct config *config, struct errtext *err)
{
    return credentials_read(daemon->credentials, &config->credentials, err);
}

/* What came of the reading, and what it thinks of the file. Outcomes: as config_system_load(). */
static int take_reading(struct daemon *daemon, struct fresh *ret)
{
    struct config_report report;
    struct reload_lines lines = {.daemon = daemon};
    int r = reading_take(daemon->reading, &ret->config, &ret->view, &report);
    const struct config_report errors = {.errors = report.errors};
    const struct config_report warnings = {.warnings = report.warnings};
    if (r == CONFIG_INVALID)
        config_report_lines(&errors, daemon->config_path, say_problem, &lines);
    else if (r == 0)
        config_report_lines(&warnings, daemon->config_path, daemon_say_warning, daemon);
    else
        say_refused(daemon, strerrordesc_np(-r));
    config_report_finish(&report);
    return r;
}

void daemon_begin_reload(struct daemon *daemon)
{
    if (!daemon->reload_wanted || daemon->draining || !reading_is_idle(daemon->reading))
        return;
    daemon->reload_wanted = false;
    daemon->reloads_begun++;
    notify_reloading(&daemon->notify, clock_mono());
    reading_begin(daemon->reading, engine_view(daemon->engine), clock_now().wall);
}

void daemon_end_reload(struct daemon *daemon)
{
    struct errtext err = {""};
    struct fresh fresh = {NULL, NULL};
    if (daemon->draining || !reading_is_over(daemon->reading))
        return;
    daemon->reload = (struct reload){.count = daemon->reloads_begun, .at = clock_now().wall};
    int r = take_reading(daemon, &fresh);
    if (r == 0) {
        r = credentials_prepare(daemon->credentials, &fresh.config->credentials, &err);
        if (r == 0)
            r = take_config(daemon, &fresh, &err);
        if (r == 0)
            credentials_commit(daemon->credentials);
        else
            credentials_forget(daemon->credentials);
        view_destroy(fresh.view);
        config_unref(fresh.config);
        if (r != 0)
            say_refused(daemon, err.text);
    }
    daemon->reload.ok = r == 0;
    if (r == 0) {
        if (credentials_are_there(daemon->credentials))
            daemon_say_keys(daemon);
        daemon_say_counts(daemon, "reloaded");
    }
    char buffer[NOTIFY_STATUS_MAX];
    notify_ready(&daemon->notify, daemon_describe(daemon, buffer));
}

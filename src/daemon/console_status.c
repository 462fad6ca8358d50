/* See console_ask.h: how the daemon is. */
#include "daemon/announce.h"
#include "daemon/console_ask.h"
#include "daemon/loop.h"
#include "daemon/obstacle.h"
#include "daemon/restore.h"
#include "engine/members.h"
#include "engine/orders.h"
#include "engine/view.h"
#include "ports/clock_system.h"
#include "version.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LANES_MAX 200 /* that status tells of: some 20 KiB */

/* ---- status ---- */

/* Members of the last slot by outcome. */
static void put_last(struct json_writer *w, const struct view_schedule *sums)
{
    if (sums->last_slot.us == 0)
        return;
    json_put_instant(w, "last_slot", sums->last_slot);
    json_open(w, "last", '{');
    for (int i = VIEW_NONE + 1; i < VIEW_OUTCOMES; i++)
        json_put_number(w, view_outcome_name((enum view_outcome)i), sums->last[i]);
    json_close(w, '}');
}

static enum ask_row schedule_row(struct ask *ask, struct json_writer *w)
{
    enum ask_row row = ask_next_schedule(ask);
    if (row != ASK_ROW)
        return row;
    const struct schedule *schedule = &ask->config->schedules[ask->at.schedule];
    struct view *view = engine_view(ask->daemon->engine);
    struct view_schedule sums = view_schedule(view, ask->at.schedule, clock_now().wall);
    json_open(w, NULL, '{');
    json_put_text(w, "name", schedule->name);
    struct wall until =
        engine_paused_until(ask->daemon->engine, ask->at.schedule, clock_now().wall);
    json_put_bool(w, "paused", schedule->paused || until.us != LEDGER_NO_PAUSE.us);
    if (!schedule->paused && until.us != LEDGER_NO_PAUSE.us)
        json_put_instant(w, "paused_until", until);
    json_put_number(w, "instances", schedule->instance_count);
    json_put_instant(w, "next", engine_next_slot_of(ask->daemon->engine, ask->at.schedule));
    put_last(w, &sums);
    if (sums.oldest_good_at.us > 0) {
        json_open(w, "oldest_good", '{');
        json_put_text(w, "instance", schedule->instances[sums.oldest].id);
        json_put_instant(w, "at", sums.oldest_good_at);
        json_close(w, '}');
    }
    json_put_number(w, "never_good", sums.never_good);
    if (sums.max_age_us != INT64_MAX)
        json_put_number(w, "max_age_seconds", sums.max_age_us / US_PER_SECOND);
    json_put_number(w, "overdue", sums.overdue);
    json_close(w, '}');
    ask->at.schedule++;
    return ASK_ROW;
}

static void put_config(const struct daemon *daemon, struct json_writer *w)
{
    json_open(w, "config", '{');
    json_put_text(w, "file", daemon->config_path);
    json_put_instant(w, "loaded", daemon->loaded_at);
    json_put_number(w, "schedules", daemon->config->schedule_count);
    json_put_number(w, "instances", (int64_t)daemon->config->instance_count);
    if (daemon->reload.count > 0) {
        json_open(w, "last_reload", '{');
        json_put_instant(w, "at", daemon->reload.at);
        json_put_bool(w, "ok", daemon->reload.ok);
        json_put_known(w, "text", daemon->reload.text);
        json_close(w, '}');
    }
    json_close(w, '}');
}

static void put_credentials(const struct daemon *daemon, struct json_writer *w)
{
    json_open(w, "credentials", '{');
    json_put_known(w, "provider", credentials_provider_name(daemon->credentials));
    if (credentials_are_there(daemon->credentials))
        json_put_instant(w, "until", credentials_end(daemon->credentials));
    json_put_known(w, "failing", credentials_text(daemon->credentials));
    json_put_known(w, "refused", engine_keys_rejection(daemon->engine));
    json_close(w, '}');
}

static void put_ledger(const struct daemon *daemon, struct json_writer *w)
{
    json_open(w, "ledger", '{');
    json_put_bool(w, "ok", daemon->ledger_text[0] == '\0');
    json_put_known(w, "text", daemon->ledger_text);
    json_close(w, '}');
}

static void put_limiter(const struct daemon *daemon, struct json_writer *w)
{
    struct lane_now lane;
    json_open(w, "limiter", '[');
    for (uint32_t i = 0; i < LANES_MAX && engine_lane_now(daemon->engine, i, &lane); i++) {
        json_open(w, NULL, '{');
        json_put_text(w, "host", lane.host);
        json_put_text(w, "action", lane.action);
        json_put_thousandths(w, "per_second", lane.per_second_milli);
        json_put_number(w, "requests_last_minute", (int64_t)lane.requests_last_minute);
        json_put_number(w, "queued", (int64_t)lane.queued);
        if (lane.is_down)
            json_put_bool(w, "down", true);
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void status_end(struct ask *ask, struct json_writer *w)
{
    const struct daemon *daemon = ask->daemon;
    struct engine_status status = engine_status(daemon->engine);
    char text[OBSTACLE_TEXT_MAX];
    json_put_text(w, "version", CRSBACKUPD_VERSION);
    json_put_number(w, "pid", getpid());
    json_put_instant(w, "started", daemon->started_at);
    json_put_instant(w, "now", clock_now().wall);
    json_put_bool(w, "ready", !obstacle_to_ready(daemon, text));
    json_put_bool(w, "draining", daemon->draining);
    put_config(daemon, w);
    json_put_number(w, "in_flight", status.in_flight);
    json_put_number(w, "waiting", (int64_t)status.waiting);
    json_put_number(w, "watching", (int64_t)status.watched);
    json_put_number(w, "looking_up", (int64_t)status.doubtful);
    json_put_instant(w, "next", status.next_slot);
    if (status.clock_held)
        json_put_bool(w, "clock_held", true);
    json_put_known(w, "clock_text", engine_clock_doubt(daemon->engine));
    put_limiter(daemon, w);
    put_credentials(daemon, w);
    put_ledger(daemon, w);
    json_open(w, "log", '{');
    json_put_number(w, "lost", (int64_t)log_writer_lost(daemon->log));
    json_close(w, '}');
    if (!restore_is_over(daemon->restore))
        json_put_bool(w, "restoring", true);
    json_open(w, "loop", '{');
    json_put_thousandths(w, "longest_turn_ms", loop_longest_turn_ns(daemon->loop) / NS_PER_US);
    json_put_thousandths(w, "longest_work_ms", loop_longest_work_ns(daemon->loop) / NS_PER_US);
    json_close(w, '}');
}

void console_status(struct ask *ask)
{
    ask_begin_walk(ask);
    ask->row = schedule_row;
    ask->end = status_end;
}

/* ---- health ---- */

static void health_end(struct ask *ask, struct json_writer *w)
{
    const struct daemon *daemon = ask->daemon;
    char text[OBSTACLE_TEXT_MAX];
    bool healthy = true;
    for (int i = 0; i < OBSTACLES; i++)
        healthy = healthy && !obstacle_is_there(daemon, (enum obstacle)i, text);
    json_put_bool(w, "healthy", healthy);
    json_open(w, "reasons", '[');
    for (int i = 0; i < OBSTACLES; i++)
        if (obstacle_is_there(daemon, (enum obstacle)i, text))
            json_put_text(w, NULL, text);
    json_close(w, ']');
}

void console_health(struct ask *ask)
{
    ask->end = health_end;
}

/* ---- reload ---- */

static void reload_end(struct ask *ask, struct json_writer *w)
{
    (void)ask;
    json_put_bool(w, "ok", true);
}

void console_reload(struct ask *ask)
{
    struct daemon *daemon = ask->daemon;
    if (daemon->draining) {
        ask_refuse(ask, "refused", "the daemon is stopping");
        return;
    }
    ask_log(ask, NULL, 0);
    daemon->reload_wanted = true;
    ask->end = reload_end;
    ask_wait_for_reload(ask);
}

/*
 * Requests at the control socket: any bytes end in a verb with its arguments, or in a refusal that
 * says why. All readers of arguments are tried on each, whatever the verb.
 */
#include "base/text.h"
#include "daemon/console_ask.h"
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#define IDS_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise)
        abort();
}

/* ---- a daemon that has nothing but a configuration and an engine ---- */

static int append(void *context, const struct ledger_entry *entry)
{
    (void)context;
    (void)entry;
    return 0;
}

static int horizon(void *context, const char *schedule, const char *rule, struct wall *ret)
{
    (void)context;
    (void)schedule;
    (void)rule;
    (void)ret;
    return LEDGER_NO_HORIZON;
}

static void set_horizon(void *context, const char *schedule, const char *rule, struct wall slot)
{
    (void)context;
    (void)schedule;
    (void)rule;
    (void)slot;
}

static void write_event(void *context, const struct event *event)
{
    (void)context;
    (void)event;
}

static void make_daemon(struct daemon *daemon)
{
    struct schedule *schedule;
    struct instance *instance;
    uint32_t host;
    require(config_create(&daemon->config) == 0);
    require(config_add_host(daemon->config, "http://127.0.0.1:1/", &host) == 0);
    require(config_add_schedule(daemon->config, &schedule) == 0);
    schedule->name = "nightly";
    schedule->when = (struct recurrence){
        .kind = RECURRENCE_EVERY, .zone = zone_utc(), .period_us = 3600 * US_PER_SECOND};
    require(config_add_instance(daemon->config, schedule, &instance) == 0);
    *instance = (struct instance){.id = "crs-aaaa0001", .region = "r", .remark = "", .host = host};
    require(config_freeze(daemon->config) == 0);
    const struct engine_ports ports = {
        .ledger = {.append = append, .horizon = horizon, .set_horizon = set_horizon},
        .journal = {.write = write_event},
    };
    const struct now now = {{INT64_C(1793534400) * US_PER_SECOND}, {1}};
    require(engine_create(&ports, daemon->config, now, &daemon->engine, NULL) == 0);
}

/* ---- what is promised ---- */

static void require_refusal(const struct ask *ask, bool taken)
{
    require(taken == (ask->error_code == NULL));
    if (!taken)
        require(ask->error_text[0] != '\0' && strlen(ask->error_text) < ASK_TEXT_MAX);
}

static void read_texts(struct ask *ask)
{
    static const char *const names[] = {"schedule", "instance", "slot", "since"};
    char buffer[16];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = NULL;
        ask->error_code = NULL;
        require_refusal(ask, ask_text(ask, names[i], buffer, sizeof buffer, &text));
        require(text == NULL || (text == buffer && text_is_utf8(text, strlen(text))));
    }
}

static void read_values(struct ask *ask)
{
    bool failed = false;
    int64_t number = 7;
    struct wall at = {0};
    ask->error_code = NULL;
    require_refusal(ask, ask_bool(ask, "failed", &failed));
    ask->error_code = NULL;
    require_refusal(ask, ask_number(ask, "limit", 1, 10, &number));
    require(number >= 1 && number <= 10);
    ask->error_code = NULL;
    require_refusal(ask, ask_number(ask, "max_age_seconds", 1, INT64_MAX, &number));
    require(number >= 1);
    ask->error_code = NULL;
    require_refusal(ask, ask_instant(ask, "until", &at));
    require(at.us >= WALL_MIN_SECOND * US_PER_SECOND);
}

static void read_names(struct ask *ask)
{
    ask->error_code = NULL;
    require_refusal(ask, ask_schedule(ask));
    require(ask->only == -1 || ask->only == 0);
    ask->error_code = NULL;
    require_refusal(ask, ask_instances(ask, IDS_MAX));
    require(ask->ids.count <= IDS_MAX);
    for (uint32_t i = 0; i < ask->ids.count; i++)
        require(model_instance_id_is_valid(ask->ids.list[i].bytes, ask->ids.list[i].length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct daemon daemon;
    if (daemon.engine == NULL)
        make_daemon(&daemon);
    struct ask ask = {.daemon = &daemon, .only = -1};
    require_refusal(&ask, ask_read(&ask, (const char *)data, size));
    if (ask.json.root != NULL && json_kind_of(ask.args) == JSON_OBJECT) {
        read_texts(&ask);
        read_values(&ask);
        read_names(&ask);
    }
    ask_clear(&ask);
    return 0;
}

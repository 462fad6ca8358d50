/*
 * What the engine works on: the frozen configuration, made of schedules and their instances.
 *
 * A struct config is built once by the loader (ports/config_yaml) through config_create(),
 * config_string(), config_add_schedule() and config_freeze(), and never changes afterwards. It is
 * counted: config_ref() and config_unref(), so that running attempts keep the old one after a
 * reload. All strings and arrays belong to the config and live as long as it does.
 *
 * Made for 100,000 instances: an instance costs sizeof(struct instance) + its id + 4 bytes of
 * order.
 */
#pragma once

#include "base/event.h"
#include "base/instant.h"
#include "base/recurrence.h"
#include "base/result.h"
#include "base/zone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_SCHEDULES_MAX 100000
#define MODEL_INSTANCES_MAX 1000000 /* of all schedules together */
#define MODEL_NAME_MAX 64           /* a schedule's name: [A-Za-z0-9._-], not beginning with '-' */
#define MODEL_INSTANCE_ID_MAX 64    /* "crs-" and lower-case letters or digits */
#define MODEL_REGION_MAX 64         /* [a-z0-9-] */
#define MODEL_REMARK_MAX 1024       /* bytes of UTF-8, no control characters */
#define MODEL_STORAGE_DAYS_MAX 1825
#define MODEL_RATE_MAX 1000             /* requests a second */
#define MODEL_STS_REGION "ap-guangzhou" /* where the file names none */
#define MODEL_IN_FLIGHT_MAX 1000
#define MODEL_HOST_MAX 256 /* host[:port] of a URL */
#define MODEL_HOSTS_MAX 1000
#define MODEL_START_WITHIN_MAX_US (INT64_C(8) * 3600 * US_PER_SECOND) /* of the default */
#define MODEL_SPAN_MAX_US RECURRENCE_PERIOD_MAX_US /* of what belongs to one slot */
#define MODEL_COMPLETE_WITHIN_US (INT64_C(24) * 3600 * US_PER_SECOND) /* the default */
#define MODEL_RETRY_FAILED_MAX 10
#define MODEL_SETTLE_US (INT64_C(60) * US_PER_SECOND) /* the default */
#define MODEL_SETTLE_MAX_US (INT64_C(3600) * US_PER_SECOND)
#define MODEL_LEDGER_KEEP_US (INT64_C(90) * SECONDS_PER_DAY * US_PER_SECOND) /* the default */
#define MODEL_SOCKET_MAX 107 /* bytes of a path that a socket can have */
#define MODEL_LEDGER_KEEP_MAX_US (INT64_C(3660) * SECONDS_PER_DAY * US_PER_SECOND)

struct instance {
    const char *id;
    const char *region;
    const char *remark;   /* "" for none */
    int32_t storage_days; /* 0: the account's default */
    uint32_t host;        /* index into config.hosts: where its requests enter */
};

enum catch_up {
    CATCH_UP_ONCE,
    CATCH_UP_NONE,
};

/* An instance's slot comes while its backup of an earlier one is not finished. */
enum overlap {
    OVERLAP_FORBID, /* it is skipped */
    OVERLAP_ALLOW,
};

/* What became of a request could not be found out. */
enum on_unknown {
    ON_UNKNOWN_HOLD,   /* it may have been carried out: nothing is sent again */
    ON_UNKNOWN_RESEND, /* it may be carried out twice */
};

/* The instances of one schedule that enter at one host, in the order of their delays. */
struct group {
    uint32_t host;  /* index into config.hosts */
    uint32_t first; /* index into schedule.order */
    uint32_t count;
};

struct schedule {
    const char *name;
    struct recurrence when;
    const char *when_text; /* as written: "0 3 * * *" or "6h" */
    const char *zone_name; /* as written or inherited */
    int64_t spread_us;     /* 0: none */
    int64_t start_within_us;
    int64_t complete_within_us; /* a task that takes longer is stuck */
    enum catch_up catch_up;
    enum overlap overlap;
    enum on_unknown on_unknown;
    int32_t retry_failed; /* how often a slot's backup is begun anew after its task failed */
    bool paused;
    struct instance *instances; /* in the file's order */
    uint32_t instance_count;

    /* Made by config_freeze(). */
    uint32_t *order; /* instance indices, by host and then by delay */
    struct group *groups;
    uint32_t group_count;
};

enum credentials_provider {
    CREDENTIALS_AUTO, /* the first that has keys */
    CREDENTIALS_ENV,
    CREDENTIALS_FILE,
    CREDENTIALS_SYSTEMD,
    CREDENTIALS_CVM_ROLE,
    CREDENTIALS_ASSUME_ROLE,
    CREDENTIALS_TKE_OIDC,
};

struct credentials_settings {
    enum credentials_provider provider;
    const char *file;                 /* NULL: the default places */
    const char *profile;              /* "default" */
    enum credentials_provider source; /* assume-role: whose keys ask; auto: env, systemd, file */
    const char *role_arn;             /* assume-role; NULL: none */
    const char *role_session_name;    /* "crsbackupd" */
    int64_t duration_us;              /* for which temporary keys are asked */
    const char *sts_url; /* "https://sts.tencentcloudapi.com/"; the loader fills it in */
    const char *sts_region;
    const char *metadata_url; /* "http://127.0.0.1:8080/"; NULL: the cloud's own */
};

enum log_target {
    LOG_TARGET_AUTO,
    LOG_TARGET_SYSLOG,
    LOG_TARGET_JOURNAL,
    LOG_TARGET_STDERR,
};

struct host {
    const char *url;  /* "https://redis.tencentcloudapi.com/" */
    const char *name; /* the Host header: host, with its port where the URL has one */
};

struct config {
    unsigned references;
    struct strings *strings; /* private */

    const char *language; /* "en-US" or "zh-CN" */
    const char *endpoint; /* as written; gives a region's URL by model_endpoint_url() */
    const char *proxy;    /* NULL: none, whatever the environment says */
    const char *ca_file;  /* NULL: the system's */
    struct credentials_settings credentials;
    int32_t per_second;
    int32_t burst;
    int64_t connect_timeout_us;
    int64_t timeout_us;
    int32_t max_in_flight;
    int64_t settle_us; /* after a lost answer the cloud's lists may lag by as much */
    const char *state_dir;
    const char *metrics_listen; /* IPV4:PORT or [IPV6]:PORT; NULL: off */
    int64_t ledger_keep_us;
    const char *control_socket;
    bool control_given; /* by the file; else it is a default, and nobody insists on it */
    enum log_target log_target;
    enum event_level log_level;
    enum event_format log_format;

    struct host *hosts;
    uint32_t host_count;
    struct schedule *schedules; /* in the file's order */
    uint32_t schedule_count;
    uint64_t instance_count; /* of all schedules */
    struct zone **zones;     /* owned; schedules borrow them */
    uint32_t zone_count;
};

/* Outcomes: 0, the caller holds one reference; -ENOMEM. Defaults of product.md are filled in. */
int config_create(struct config **ret) MUST_CHECK;
struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* NULL is fine; the last one frees all */

/*
 * A copy that lives as long as the config; equal strings are not kept twice when `shared` (regions,
 * remarks), and stored without a look where they are all different (ids).
 * Outcomes: 0; -ENOMEM.
 */
int config_string(struct config *config, const char *bytes, size_t length, bool shared,
                  const char **ret) MUST_CHECK;

/*
 * Adds an empty schedule with the defaults; *ret is valid until the next config_add_schedule().
 * Outcomes: 0; -E2BIG past MODEL_SCHEDULES_MAX; -ENOMEM.
 */
int config_add_schedule(struct config *config, struct schedule **ret) MUST_CHECK;

/* Adds an instance with every field zero. Outcomes: 0; -E2BIG past MODEL_INSTANCES_MAX; -ENOMEM. */
int config_add_instance(struct config *config, struct schedule *schedule,
                        struct instance **ret) MUST_CHECK;

/*
 * The host's index, added where it is new (compared by URL).
 * Outcomes: 0; -E2BIG past MODEL_HOSTS_MAX; -ENOMEM.
 */
int config_add_host(struct config *config, const char *url, uint32_t *ret) MUST_CHECK;

/* Gives the zone to the config, also on failure. Outcomes: 0; -ENOMEM. */
int config_add_zone(struct config *config, struct zone *zone_take) MUST_CHECK;

/* Sorts each schedule's instances by host and delay. Once, last. Outcomes: 0; -ENOMEM; -EIO. */
int config_freeze(struct config *config) MUST_CHECK;

/*
 * An instance's delay inside its schedule's spread, in microseconds, whole milliseconds: the first
 * eight bytes (big endian) of SHA-256(schedule name, NUL, instance id) modulo the spread in
 * milliseconds. The same on every host and after every restart. config_freeze() has computed the
 * order; this recomputes one delay.
 * Outcomes: 0 (always 0 us for a schedule without spread); -EIO.
 */
struct digest;
int schedule_delay(struct digest *digest, const struct schedule *schedule,
                   const struct instance *instance, int64_t *ret_us) MUST_CHECK;

/*
 * When the schedule is due, as a canonical text: "cron 0 3 * * * Asia/Shanghai" or "every 21600s".
 * Two schedules of the same rule have the same slots. Returns `ret`.
 */
#define SCHEDULE_RULE_MAX (CRON_TEXT_MAX + ZONE_NAME_MAX + 8)
const char *schedule_rule(const struct schedule *schedule, char ret[SCHEDULE_RULE_MAX]);

/* NULL where the config has none of that name. */
const struct schedule *config_find_schedule(const struct config *config, const char *name);

/* NULL where the schedule has none of that id; looks at each. */
const struct instance *schedule_find_instance(const struct schedule *schedule, const char *id);

/* "crs-" and 1 or more lower-case letters or digits, at most MODEL_INSTANCE_ID_MAX bytes. */
bool model_instance_id_is_valid(const char *id, size_t length);
bool model_region_is_valid(const char *region, size_t length);
bool model_name_is_valid(const char *name, size_t length);

/*
 * The default of start_within: half the schedule's period, at most 8 h, at least 1 s.
 */
int64_t schedule_default_start_within(const struct schedule *schedule, struct wall from);

/*
 * The host where a region's requests enter.
 *   nearest        redis.tencentcloudapi.com
 *   regional       redis.REGION.tencentcloudapi.com
 *   internal       redis.internal.tencentcloudapi.com
 *   international  redis.intl.tencentcloudapi.com
 * A region ending in "-fsi" always has its own host. An endpoint that is a URL is taken as it is,
 * with "/" at its end.
 * Outcomes: 0 with the URL in `ret`; -EINVAL with a text (neither a word of the above nor an
 * https:// URL of host[:port]; http:// only to a loopback address).
 */
#define MODEL_URL_MAX (MODEL_HOST_MAX + 16)
int model_endpoint_url(const char *endpoint, const char *region, char ret[MODEL_URL_MAX],
                       struct errtext *err) MUST_CHECK;

/*
 * Where STS is asked: the endpoint's host with "sts." for its "redis."; a URL of another host as it
 * is. Both checked before.
 */
void model_sts_url(const char *endpoint, const char *region, char ret[MODEL_URL_MAX]);

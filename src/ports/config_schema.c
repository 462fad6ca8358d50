/*
 * The grammar of the file, one line a key. To turn a planned key on, give its line another kind.
 */
#include "ports/config_reader.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define IN_CONFIG(member) .offset = offsetof(struct config, member)
#define IN_SCHEDULE(member) .offset = offsetof(struct schedule, member)
#define IN_INSTANCE(member) .offset = offsetof(struct instance, member)
#define IN_READER(member) .offset = offsetof(struct reader, member), .in_reader = true
#define SECONDS(n) ((n)*US_PER_SECOND)

static const struct rule tls_rules[] = {
    {.key = "ca_file", .kind = RULE_CA_FILE, IN_CONFIG(ca_file)},
};
static const struct section tls = {"tls.", "tls", tls_rules, COUNT(tls_rules)};

static const struct word providers[] = {
    {"auto", CREDENTIALS_AUTO, false},         {"env", CREDENTIALS_ENV, false},
    {"file", CREDENTIALS_FILE, false},         {"systemd", CREDENTIALS_SYSTEMD, false},
    {"cvm-role", CREDENTIALS_CVM_ROLE, false}, {"assume-role", CREDENTIALS_ASSUME_ROLE, false},
    {"tke-oidc", CREDENTIALS_TKE_OIDC, false}, {0},
};
static const struct word sources[] = {
    {"auto", CREDENTIALS_AUTO, false},
    {"env", CREDENTIALS_ENV, false},
    {"file", CREDENTIALS_FILE, false},
    {"systemd", CREDENTIALS_SYSTEMD, false},
    {0},
};
static const struct rule credentials_rules[] = {
    [CREDENTIALS_PROVIDER] = {.key = "provider",
                              .kind = RULE_WORD,
                              IN_CONFIG(credentials.provider),
                              .words = providers},
    [CREDENTIALS_PATH] = {.key = "file", .kind = RULE_PATH, IN_CONFIG(credentials.file)},
    [CREDENTIALS_ROLE_ARN] = {.key = "role_arn",
                              .kind = RULE_TEXT,
                              IN_CONFIG(credentials.role_arn)},
    [CREDENTIALS_SESSION_NAME] = {.key = "role_session_name",
                                  .kind = RULE_TEXT,
                                  IN_CONFIG(credentials.role_session_name)},
    [CREDENTIALS_SOURCE] = {.key = "source",
                            .kind = RULE_WORD,
                            IN_CONFIG(credentials.source),
                            .words = sources},
    {.key = "profile", .kind = RULE_TEXT, IN_CONFIG(credentials.profile)},
    {.key = "duration",
     .kind = RULE_DURATION,
     IN_CONFIG(credentials.duration_us),
     .least = SECONDS(60),
     .most = SECONDS(43200)},
    {.key = "sts_url", .kind = RULE_URL, IN_CONFIG(credentials.sts_url)},
    {.key = "metadata_url", .kind = RULE_URL, IN_CONFIG(credentials.metadata_url)},
};
const struct section section_credentials = {"credentials.", "credentials", credentials_rules,
                                            COUNT(credentials_rules)};

static const struct rule rate_limit_rules[] = {
    [RATE_LIMIT_PER_SECOND] = {.key = "per_second",
                               .kind = RULE_WHOLE,
                               IN_CONFIG(per_second),
                               .least = 1,
                               .most = MODEL_RATE_MAX},
    [RATE_LIMIT_BURST] =
        {.key = "burst", .kind = RULE_WHOLE, IN_CONFIG(burst), .least = 1, .most = MODEL_RATE_MAX},
};
const struct section section_rate_limit = {"rate_limit.", "rate_limit", rate_limit_rules,
                                           COUNT(rate_limit_rules)};

static const struct rule requests_rules[] = {
    {.key = "connect_timeout",
     .kind = RULE_DURATION,
     IN_CONFIG(connect_timeout_us),
     .least = 1000,
     .most = SECONDS(3600)},
    {.key = "timeout",
     .kind = RULE_DURATION,
     IN_CONFIG(timeout_us),
     .least = 1000,
     .most = SECONDS(3600)},
    {.key = "max_in_flight",
     .kind = RULE_WHOLE,
     IN_CONFIG(max_in_flight),
     .least = 1,
     .most = MODEL_IN_FLIGHT_MAX},
    {.key = "settle",
     .kind = RULE_DURATION,
     IN_CONFIG(settle_us),
     .least = SECONDS(1),
     .most = MODEL_SETTLE_MAX_US},
};
static const struct section requests = {"requests.", "requests", requests_rules,
                                        COUNT(requests_rules)};

static const struct word log_targets[] = {
    {"auto", LOG_TARGET_AUTO, false},
    {"syslog", LOG_TARGET_SYSLOG, false},
    {"journal", LOG_TARGET_JOURNAL, false},
    {"stderr", LOG_TARGET_STDERR, false},
    {0},
};
static const struct word log_levels[] = {
    {"err", EVENT_ERR, false},   {"warning", EVENT_WARNING, false}, {"notice", EVENT_NOTICE, false},
    {"info", EVENT_INFO, false}, {"debug", EVENT_DEBUG, false},     {0},
};
static const struct word log_formats[] = {
    {"logfmt", EVENT_LOGFMT, false},
    {"json", EVENT_JSON, false},
    {0},
};
static const struct rule log_rules[] = {
    {.key = "target", .kind = RULE_WORD, IN_CONFIG(log_target), .words = log_targets},
    {.key = "level", .kind = RULE_WORD, IN_CONFIG(log_level), .words = log_levels},
    {.key = "format", .kind = RULE_WORD, IN_CONFIG(log_format), .words = log_formats},
};
static const struct section log_section = {"log.", "log", log_rules, COUNT(log_rules)};

static const struct rule ledger_rules[] = {
    {.key = "keep",
     .kind = RULE_DURATION,
     IN_CONFIG(ledger_keep_us),
     .least = SECONDS(SECONDS_PER_DAY),
     .most = MODEL_LEDGER_KEEP_MAX_US},
};
static const struct section ledger = {"ledger.", "ledger", ledger_rules, COUNT(ledger_rules)};

static const struct rule control_rules[] = {
    {.key = "socket", .kind = RULE_SOCKET, IN_CONFIG(control_socket)},
};
static const struct section control = {"control.", "control", control_rules, COUNT(control_rules)};

static const struct rule metrics_rules[] = {
    {.key = "listen", .kind = RULE_LISTEN, IN_CONFIG(metrics_listen)},
};
static const struct section metrics = {"metrics.", "metrics", metrics_rules, COUNT(metrics_rules)};

static const struct word languages[] = {
    {"en-US", 0, false},
    {"zh-CN", 0, false},
    {0},
};
static const struct rule file_rules[] = {
    [FILE_REGION] = {.key = "region", .kind = RULE_REGION, IN_READER(region)},
    [FILE_TIMEZONE] = {.key = "timezone", .kind = RULE_CALLER},
    [FILE_CREDENTIALS] = {.key = "credentials", .kind = RULE_CALLER},
    [FILE_RATE_LIMIT] = {.key = "rate_limit", .kind = RULE_CALLER},
    [FILE_SCHEDULES] = {.key = "schedules", .kind = RULE_CALLER},
    {.key = "endpoint", .kind = RULE_ENDPOINT, IN_CONFIG(endpoint)},
    {.key = "language", .kind = RULE_LANGUAGE, IN_CONFIG(language), .words = languages},
    {.key = "proxy", .kind = RULE_PROXY, IN_CONFIG(proxy)},
    {.key = "tls", .kind = RULE_SECTION, .section = &tls},
    {.key = "requests", .kind = RULE_SECTION, .section = &requests},
    {.key = "state_dir", .kind = RULE_PATH, IN_CONFIG(state_dir)},
    {.key = "log", .kind = RULE_SECTION, .section = &log_section},
    {.key = "ledger", .kind = RULE_SECTION, .section = &ledger},
    {.key = "control", .kind = RULE_SECTION, .section = &control},
    {.key = "metrics", .kind = RULE_SECTION, .section = &metrics},
};
const struct section section_file = {"", "the file", file_rules, COUNT(file_rules)};

static const struct word catch_ups[] = {
    {"once", CATCH_UP_ONCE, false},
    {"none", CATCH_UP_NONE, false},
    {0},
};
static const struct word overlaps[] = {
    {"forbid", OVERLAP_FORBID, false},
    {"allow", OVERLAP_ALLOW, false},
    {0},
};
static const struct word on_unknowns[] = {
    {"hold", ON_UNKNOWN_HOLD, false},
    {"resend", ON_UNKNOWN_RESEND, false},
    {0},
};
static const struct rule schedule_rules[] = {
    [SCHEDULE_CRON] = {.key = "cron", .kind = RULE_CALLER},
    [SCHEDULE_EVERY] = {.key = "every", .kind = RULE_CALLER},
    [SCHEDULE_TIMEZONE] = {.key = "timezone", .kind = RULE_CALLER},
    [SCHEDULE_SPREAD] = {.key = "spread",
                         .kind = RULE_DURATION,
                         IN_SCHEDULE(spread_us),
                         .least = 0,
                         .most = MODEL_SPAN_MAX_US},
    [SCHEDULE_START_WITHIN] = {.key = "start_within",
                               .kind = RULE_DURATION,
                               IN_SCHEDULE(start_within_us),
                               .least = SECONDS(1),
                               .most = MODEL_SPAN_MAX_US},
    [SCHEDULE_REMARK] = {.key = "remark", .kind = RULE_REMARK, IN_READER(schedule_remark)},
    [SCHEDULE_STORAGE_DAYS] = {.key = "storage_days",
                               .kind = RULE_WHOLE,
                               IN_READER(schedule_storage_days),
                               .least = 0,
                               .most = MODEL_STORAGE_DAYS_MAX},
    [SCHEDULE_INSTANCES] = {.key = "instances", .kind = RULE_CALLER},
    {.key = "catch_up", .kind = RULE_WORD, IN_SCHEDULE(catch_up), .words = catch_ups},
    {.key = "paused", .kind = RULE_BOOL, IN_SCHEDULE(paused)},
    {.key = "complete_within",
     .kind = RULE_DURATION,
     IN_SCHEDULE(complete_within_us),
     .least = SECONDS(1),
     .most = MODEL_SPAN_MAX_US},
    {.key = "overlap", .kind = RULE_WORD, IN_SCHEDULE(overlap), .words = overlaps},
    {.key = "on_unknown", .kind = RULE_WORD, IN_SCHEDULE(on_unknown), .words = on_unknowns},
    {.key = "retry_failed",
     .kind = RULE_WHOLE,
     IN_SCHEDULE(retry_failed),
     .least = 0,
     .most = MODEL_RETRY_FAILED_MAX},
};
const struct section section_schedule = {"", "a schedule", schedule_rules, COUNT(schedule_rules)};

static const struct rule instance_rules[] = {
    [INSTANCE_ID] = {.key = "id", .kind = RULE_CALLER},
    [INSTANCE_REGION] = {.key = "region", .kind = RULE_CALLER},
    {.key = "remark", .kind = RULE_REMARK, IN_INSTANCE(remark)},
    {.key = "storage_days",
     .kind = RULE_WHOLE,
     IN_INSTANCE(storage_days),
     .least = 0,
     .most = MODEL_STORAGE_DAYS_MAX},
};
const struct section section_instance = {"", "an instance", instance_rules, COUNT(instance_rules)};

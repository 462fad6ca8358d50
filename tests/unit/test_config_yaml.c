/*
 * The loader: good files and what they become, and tables of bad files with every line of their
 * report. Zones come from a function here, so that no file of the system is read.
 */
#include "unit.h"

#include "ports/config_yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_SECOND 1795564800 /* 2026-11-25T00:00:00Z */

static int give_zone(void *context, const char *name, struct zone **ret, struct errtext *err)
{
    unsigned *asked = context;
    if (asked != NULL)
        (*asked)++;
    if (strcmp(name, "Asia/Shanghai") == 0)
        return zone_parse_posix("CST-8", ret, err);
    if (strcmp(name, "Europe/Berlin") == 0)
        return zone_parse_posix("CET-1CEST,M3.5.0,M10.5.0/3", ret, err);
    return errtext_set(err, -ENOENT, "no such zone; did you mean Asia/Shanghai?");
}

static struct config_load_options options(unsigned *asked)
{
    return (struct config_load_options){
        .now = wall_from_seconds(NOW_SECOND), .zone = give_zone, .zone_context = asked};
}

/* The report's lines, each with a line feed. */
static char lines[65536];

static void add_line(void *context, const char *text)
{
    (void)context;
    size_t length = strlen(lines);
    assert_true(length + strlen(text) + 2 < sizeof lines);
    (void)snprintf(lines + length, sizeof lines - length, "%s\n", text);
}

/* Loads from an exact copy, so that a read past the end is seen. */
static int load_bytes(const char *bytes, size_t length, struct config **ret)
{
    struct config_report report = {0};
    struct config_load_options o = options(NULL);
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    int outcome = config_yaml_load_bytes(copy, length, &o, ret, &report);
    free(copy);
    lines[0] = '\0';
    config_report_lines(&report, "F", add_line, NULL);
    config_report_finish(&report);
    config_report_finish(&report);
    return outcome;
}

static struct config *load_good(const char *text)
{
    struct config *config = NULL;
    int outcome = load_bytes(text, strlen(text), &config);
    if (outcome != 0)
        print_error("%s", lines);
    assert_int_equal(outcome, 0);
    return config;
}

struct bad {
    const char *text;
    const char *report;
};

static void check_bad(const struct bad *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config *config = NULL;
        int outcome = load_bytes(rows[i].text, strlen(rows[i].text), &config);
        if (outcome != CONFIG_INVALID || strcmp(lines, rows[i].report) != 0)
            print_error("--- row %zu:\n%s--- outcome %d, report:\n%s", i, rows[i].text, outcome,
                        lines);
        assert_string_equal(lines, rows[i].report);
        assert_int_equal(outcome, CONFIG_INVALID);
        assert_null(config);
    }
}

/* ---- good files ---- */

static const char full_file[] = "region: ap-guangzhou\n"
                                "timezone: Asia/Shanghai\n"
                                "endpoint: nearest\n"
                                "language: zh-CN\n"
                                "proxy: http://proxy:3128\n"
                                "tls: {ca_file: /etc/ca.pem}\n"
                                "credentials: {provider: file, file: /k, profile: backup}\n"
                                "rate_limit: {per_second: 10, burst: 2}\n"
                                "requests: {connect_timeout: 250ms, timeout: 1m, max_in_flight: "
                                "7, settle: 90s}\n"
                                "state_dir: /s\n"
                                "control: {socket: /c}\n"
                                "log: {target: stderr, level: debug, format: json}\n"
                                "ledger: {keep: 3660d}\n"
                                "schedules:\n"
                                "  nightly:\n"
                                "    cron: \"0 3 * * *\"\n"
                                "    timezone: Europe/Berlin\n"
                                "    spread: 30m\n"
                                "    catch_up: none\n"
                                "    start_within: 4h\n"
                                "    complete_within: 36h\n"
                                "    overlap: allow\n"
                                "    retry_failed: 10\n"
                                "    on_unknown: resend\n"
                                "    remark: \"every night \xE6\xAF\x8F\"\n"
                                "    storage_days: 7\n"
                                "    paused: true\n"
                                "    instances:\n"
                                "      - crs-5a4py64p\n"
                                "      - {id: crs-9xkq2m7d, region: ap-shanghai-fsi, remark: "
                                "ledger, storage_days: 30}\n"
                                "  six.hourly:\n"
                                "    every: 6h\n"
                                "    instances: [crs-5a4py64p]\n";

static void a_full_file_becomes_its_config(void **state)
{
    (void)state;
    struct config *c = load_good(full_file);
    assert_string_equal(lines, "");
    assert_string_equal(c->language, "zh-CN");
    assert_string_equal(c->proxy, "http://proxy:3128");
    assert_string_equal(c->ca_file, "/etc/ca.pem");
    assert_int_equal(c->credentials.provider, CREDENTIALS_FILE);
    assert_string_equal(c->credentials.file, "/k");
    assert_string_equal(c->credentials.profile, "backup");
    assert_int_equal(c->per_second, 10);
    assert_int_equal(c->burst, 2);
    assert_int_equal(c->connect_timeout_us, 250000);
    assert_int_equal(c->timeout_us, 60 * US_PER_SECOND);
    assert_int_equal(c->max_in_flight, 7);
    assert_int_equal(c->settle_us, 90 * US_PER_SECOND);
    assert_int_equal(c->ledger_keep_us, 3660 * SECONDS_PER_DAY * US_PER_SECOND);
    assert_string_equal(c->endpoint, "nearest");
    assert_string_equal(c->state_dir, "/s");
    assert_string_equal(c->control_socket, "/c");
    assert_true(c->control_given);
    assert_int_equal(c->log_target, LOG_TARGET_STDERR);
    assert_int_equal(c->log_level, EVENT_DEBUG);
    assert_int_equal(c->log_format, EVENT_JSON);
    assert_int_equal(c->schedule_count, 2);
    assert_int_equal(c->instance_count, 3);
    assert_int_equal(c->zone_count, 2);
    const struct schedule *s = &c->schedules[0];
    assert_string_equal(s->name, "nightly");
    assert_int_equal(s->when.kind, RECURRENCE_CRON);
    assert_string_equal(s->when_text, "0 3 * * *");
    assert_string_equal(s->zone_name, "Europe/Berlin");
    assert_int_equal(zone_seconds_at(s->when.zone, NOW_SECOND), 3600);
    assert_int_equal(s->spread_us, 1800 * US_PER_SECOND);
    assert_int_equal(s->start_within_us, 4 * 3600 * US_PER_SECOND);
    assert_int_equal(s->catch_up, CATCH_UP_NONE);
    assert_int_equal(s->complete_within_us, 36 * 3600 * US_PER_SECOND);
    assert_int_equal(s->overlap, OVERLAP_ALLOW);
    assert_int_equal(s->retry_failed, 10);
    assert_int_equal(s->on_unknown, ON_UNKNOWN_RESEND);
    assert_true(s->paused);
    assert_int_equal(s->instance_count, 2);
    assert_int_equal(s->group_count, 2);
    assert_string_equal(s->instances[0].id, "crs-5a4py64p");
    assert_string_equal(s->instances[0].region, "ap-guangzhou");
    assert_string_equal(s->instances[0].remark, "every night \xE6\xAF\x8F");
    assert_int_equal(s->instances[0].storage_days, 7);
    assert_string_equal(s->instances[1].region, "ap-shanghai-fsi");
    assert_string_equal(s->instances[1].remark, "ledger");
    assert_int_equal(s->instances[1].storage_days, 30);
    assert_string_equal(c->hosts[s->instances[0].host].url, "https://redis.tencentcloudapi.com/");
    assert_string_equal(c->hosts[s->instances[1].host].name,
                        "redis.ap-shanghai-fsi.tencentcloudapi.com");
    s = &c->schedules[1];
    assert_int_equal(s->when.kind, RECURRENCE_EVERY);
    assert_int_equal(s->when.period_us, 6 * 3600 * US_PER_SECOND);
    assert_string_equal(s->when_text, "6h");
    assert_string_equal(s->zone_name, "Asia/Shanghai");
    assert_int_equal(zone_seconds_at(s->when.zone, NOW_SECOND), 8 * 3600);
    assert_int_equal(s->start_within_us, 3 * 3600 * US_PER_SECOND); /* half the period */
    assert_int_equal(s->complete_within_us, 24 * 3600 * US_PER_SECOND);
    assert_int_equal(s->overlap, OVERLAP_FORBID);
    assert_int_equal(s->retry_failed, 0);
    assert_int_equal(s->on_unknown, ON_UNKNOWN_HOLD);
    assert_int_equal(s->spread_us, 0);
    assert_string_equal(s->instances[0].remark, "");
    assert_int_equal(s->instances[0].storage_days, 0);
    config_unref(c);
}

#define SEVENTY "0123456789012345678901234567890123456789012345678901234567890123456789"
#define TAIL "schedules: {a: {every: 1h, instances: [crs-a]}}\n"

static void a_small_file_takes_the_defaults(void **state)
{
    (void)state;
    struct config *c = load_good("\xEF\xBB\xBF%YAML 1.1\n---\nregion: ap-x\r\n" TAIL);
    assert_string_equal(c->schedules[0].zone_name, "UTC");
    assert_ptr_equal(c->schedules[0].when.zone, zone_utc());
    assert_string_equal(c->state_dir, "/var/lib/crsbackupd");
    assert_string_equal(c->control_socket, "/run/crsbackupd/control.sock");
    assert_false(c->control_given);
    assert_string_equal(c->endpoint, "nearest");
    assert_int_equal(c->settle_us, 60 * US_PER_SECOND);
    assert_int_equal(c->ledger_keep_us, 90 * SECONDS_PER_DAY * US_PER_SECOND);
    assert_int_equal(c->zone_count, 0);
    config_unref(c);

    struct config_report report = {0};
    struct config_load_options o = options(NULL);
    o.state_dir = "/run/state";
    o.socket = "/run/x/control.sock";
    static const char text[] = "region: ap-x\n" TAIL;
    assert_int_equal(config_yaml_load_bytes(text, sizeof text - 1, &o, &c, &report), 0);
    assert_string_equal(c->state_dir, "/run/state");
    assert_string_equal(c->control_socket, "/run/x/control.sock");
    assert_false(c->control_given);
    config_unref(c);
    config_report_finish(&report);
}

static void every_instance_may_name_its_region(void **state)
{
    (void)state;
    struct config *c = load_good(
        "endpoint: regional\n"
        "schedules: {a: {every: 1h, instances: [{id: crs-a, region: r1}, {id: crs-b, region: r2}, "
        "{id: crs-c, region: r1}]}}\n");
    assert_string_equal(c->endpoint, "regional");
    assert_int_equal(c->host_count, 2);
    assert_int_equal(c->schedules[0].instances[0].host, c->schedules[0].instances[2].host);
    assert_ptr_equal(c->schedules[0].instances[0].region, c->schedules[0].instances[2].region);
    assert_string_equal(c->hosts[1].name, "redis.r2.tencentcloudapi.com");
    config_unref(c);
}

static void anchors_aliases_and_merges_work(void **state)
{
    (void)state;
    struct config *c = load_good("region: ap-x\n"
                                 "schedules:\n"
                                 "  a: &a\n"
                                 "    cron: \"0 3 * * *\"\n"
                                 "    spread: &d 30m\n"
                                 "    remark: first\n"
                                 "    instances: &list\n"
                                 "      - crs-a\n"
                                 "      - &long {id: crs-b, remark: own}\n"
                                 "  b:\n"
                                 "    <<: *a\n"
                                 "    remark: second\n"
                                 "  c: &c {every: *d, instances: [*long, {<<: *long, id: crs-c}]}\n"
                                 "  d:\n"
                                 "    storage_days: 9\n"
                                 "    <<: [{storage_days: 8, remark: x}, *c]\n");
    assert_string_equal(lines, "");
    const struct schedule *s = c->schedules;
    assert_string_equal(s[1].when_text, "0 3 * * *");
    assert_int_equal(s[1].spread_us, 1800 * US_PER_SECOND);
    assert_string_equal(s[1].instances[0].remark, "second");
    assert_string_equal(s[1].instances[1].remark, "own");
    assert_string_equal(s[2].when_text, "30m");
    assert_string_equal(s[2].instances[0].id, "crs-b");
    assert_string_equal(s[2].instances[1].id, "crs-c");
    assert_string_equal(s[2].instances[1].remark, "own");
    assert_string_equal(s[3].when_text, "30m");
    assert_int_equal(s[3].instances[0].storage_days, 9);
    config_unref(c);
}

static void an_anchor_may_be_set_anew(void **state)
{
    (void)state;
    struct config *c = load_good("region: &x ap-x\n"
                                 "schedules:\n"
                                 "  a: {every: &x 1h, instances: [crs-a]}\n"
                                 "  b: {every: *x, instances: [crs-a]}\n");
    assert_string_equal(c->schedules[1].when_text, "1h");
    config_unref(c);
}

static void limits_are_inclusive(void **state)
{
    (void)state;
    struct config *c =
        load_good("region: ap-x\n"
                  "rate_limit: {per_second: 1000, burst: 1000}\n"
                  "requests: {max_in_flight: 1000, timeout: 1h, connect_timeout: 1ms}\n"
                  "schedules:\n"
                  "  a: {every: 1s, storage_days: 1825, spread: 0, instances: [crs-a]}\n"
                  "  b: {every: 366d, storage_days: 0, instances: [crs-a], paused: False}\n");
    assert_int_equal(c->per_second, 1000);
    assert_int_equal(c->schedules[0].instances[0].storage_days, 1825);
    assert_int_equal(c->schedules[1].when.period_us, RECURRENCE_PERIOD_MAX_US);
    config_unref(c);
}

static void warnings_do_not_refuse(void **state)
{
    (void)state;
    struct config *c = load_good("region: ap-x\n"
                                 "schedules:\n"
                                 "  a: {every: 1h, instances: []}\n"
                                 "  b: {every: 1h, spread: 2h, instances: [crs-a]}\n"
                                 "  c: {every: 1h, spread: 50m, instances: [crs-a]}\n");
    assert_string_equal(
        lines,
        "F:3:29: warning: schedule a lists no instance; it backs up nothing\n"
        "F:4:26: warning: the spread 2h is longer than the time between two runs, 1h; an instance "
        "may be due twice at once\n");
    config_unref(c);
    c = load_good("schedules: {}\n");
    assert_string_equal(lines, "F:1:12: warning: the file has no schedule; it backs up nothing\n");
    config_unref(c);
    c = load_good("region: ap-x\nschedules:\n  a:\n    cron: 0 0 30 2 *\n    instances: [crs-a]\n");
    assert_non_null(strstr(lines, "F:4:11: warning: cron: "));
    assert_int_equal(c->schedules[0].start_within_us, MODEL_START_WITHIN_MAX_US);
    config_unref(c);
    c = load_good("region: ap-x\nmetrics: {listen: \"[::1]:9746\"}\n" TAIL);
    assert_string_equal(lines, "");
    assert_string_equal(c->metrics_listen, "[::1]:9746");
    config_unref(c);
    c = load_good("region: ap-x\nmetrics: {listen: 0.0.0.0:80}\n" TAIL);
    assert_string_equal(lines, "F:2:19: warning: metrics.listen 0.0.0.0:80 can be reached from "
                               "other hosts, and asks nobody who they are; see that a firewall "
                               "lets none but your monitoring in\n");
    config_unref(c);
}

/* ---- bad files ---- */

static void bytes_that_are_no_yaml(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"", "F:1:1: the file is empty; it needs at least region and schedules\n"},
        {"# nothing\n\n", "F:1:1: the file is empty; it needs at least region and schedules\n"},
        {"---\n", "F:2:1: the file must be a mapping of KEY: VALUE; it needs at least region and "
                  "schedules\n"},
        {"just a text",
         "F:1:1: the file must be a mapping of KEY: VALUE; it needs at least region and "
         "schedules\n"},
        {"- a\n", "F:1:1: the file must be a mapping of KEY: VALUE; it needs at least region and "
                  "schedules\n"},
        {"region: ap-x\nremark: \xE6\xAF\n",
         "F:2:9: the byte 0xE6 is not UTF-8; save the file as UTF-8\n"},
        {"\xE6\xAF\x8F: \xFF\n", "F:1:4: the byte 0xFF is not UTF-8; save the file as UTF-8\n"},
        {"\xFF\xFEr\n", "F:1:1: the byte 0xFF is not UTF-8; save the file as UTF-8\n"},
        {"a: \xED\xA0\x80\n", "F:1:4: the byte 0xED is not UTF-8; save the file as UTF-8\n"},
        {"a: \xE6\xAF", "F:1:4: the byte 0xE6 is not UTF-8; save the file as UTF-8\n"},
        {"\x7F"
         "ELF\x02",
         "F:1:1: the control character 0x7F does not belong in a text; is this a YAML file?\n"},
        {"a: \"\x1B[31m\"\n",
         "F:1:5: the control character 0x1B does not belong in a text; is this a YAML file?\n"},
        {"region: ap-x\n---\nregion: ap-y\n",
         "F:2:1: a second document begins; one document only, remove the ---\n"},
        {"schedules:\n  a:\n    cron: */5 * * * *\n",
         "F:3:12: not YAML: did not find expected alphabetic or numeric character while scanning "
         "an alias; a value that begins with * needs quotes, such as cron: \"*/5 * * * *\"\n"},
        {"cron: @daily\n",
         "F:1:7: not YAML: found character that cannot start any token while scanning for the next "
         "token; a value that begins with @, % or ` needs quotes, such as cron: \"@daily\", and "
         "indentation is made of blanks, not tabs\n"},
        {"region: \"ap-x\n",
         "F:2:1: not YAML: found unexpected end of stream while scanning a quoted scalar; a quote "
         "is not closed: the file may be half written\n"},
        {"instances: [crs-a,\n",
         "F:2:1: not YAML: did not find expected node content while parsing a flow node; a bracket "
         "or brace is not closed: the file may be half written\n"},
        {"a: *b\n", "F:1:4: the alias *b has no anchor; define &b before\n"},
        {"a: &a [*a]\n",
         "F:1:8: the alias *a stands inside what it stands for; remove the cycle\n"},
        {"a: &a {b: {c: *a}}\n",
         "F:1:15: the alias *a stands inside what it stands for; remove the cycle\n"},
        {"[[[[[[[[[[[[[[[[[", "F:1:17: nested more than 16 deep; write it flatter\n"},
        {"a: !!str 5\n",
         "F:1:4: the tag tag:yaml.org,2002:str is not allowed; remove it (a text is made by "
         "quotes)\n"},
        {"? [a]\n: b\n", "F:1:3: a list or a mapping cannot be a key; write a name\n"},
    };
    check_bad(rows, COUNT(rows));
    struct config *config = NULL;
    assert_int_equal(load_bytes("a: \0b", 5, &config), CONFIG_INVALID);
    assert_string_equal(lines, "F:1:4: the control character 0x00 does not belong in a text; is "
                               "this a YAML file?\n");
}

/* Where STS is asked follows the endpoint, but for what the file says itself. */
static void sts_follows_the_endpoint(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *url;
        const char *region;
    } rows[] = {
        {"region: ap-x\n", "https://sts.tencentcloudapi.com/", "ap-x"},
        {"region: ap-x\nendpoint: regional\n", "https://sts.ap-x.tencentcloudapi.com/", "ap-x"},
        {"region: ap-x\nendpoint: internal\n", "https://sts.internal.tencentcloudapi.com/", "ap-x"},
        {"region: ap-shanghai-fsi\n", "https://sts.ap-shanghai-fsi.tencentcloudapi.com/",
         "ap-shanghai-fsi"},
        {"region: ap-x\nendpoint: https://redis.example.com\n", "https://sts.example.com/", "ap-x"},
        {"region: ap-x\nendpoint: http://127.0.0.1:81\n", "http://127.0.0.1:81/", "ap-x"},
        {"region: ap-x\nendpoint: http://127.0.0.1:81\ncredentials: {sts_url: "
         "\"https://sts.tencentcloudapi.com\"}\n",
         "https://sts.tencentcloudapi.com/", "ap-x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        (void)snprintf(text, sizeof text, "%s%s", rows[i].text, TAIL);
        struct config *c = load_good(text);
        assert_string_equal(c->credentials.sts_url, rows[i].url);
        assert_string_equal(c->credentials.sts_region, rows[i].region);
        assert_null(c->credentials.metadata_url);
        config_unref(c);
    }
}

static void keys_that_are_wrong(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"regoin: ap-x\nregion: ap-x\n" TAIL,
         "F:1:1: unknown key \"regoin\" in the file; did you mean region?\n"},
        {"region: ap-x\nregion: ap-y\n" TAIL,
         "F:2:1: region is given twice, first in line 1; keep one\n"},
        {"region: ap-x\n\"x\\ny\": 1\n" TAIL,
         "F:2:1: unknown key \"x\\ny\" in the file; known are region, timezone, credentials, "
         "rate_limit, schedules, endpoint, language, proxy, tls, requests, state_dir, log, "
         "ledger, control, metrics\n"},
        {"region: ap-x\ncontrol: {sockt: /s}\n" TAIL,
         "F:2:11: unknown key \"sockt\" in control; did you mean socket?\n"},
        {"region: ap-x\nmetrics: {listen: 9746, lissen: x}\n" TAIL,
         "F:2:19: metrics.listen is a number; to mean a text write \"9746\" in quotes\n"
         "F:2:25: unknown key \"lissen\" in metrics; did you mean listen?\n"},
        {"region: ap-x\nmetrics: {listen: \"localhost:9746\"}\n" TAIL,
         "F:2:19: metrics.listen: the host is an IPv4 or an IPv6 address, not a name; write "
         "127.0.0.1:9746 or [::1]:9746\n"},
        {"region: ap-x\nledger: {kept: 90d}\n" TAIL,
         "F:2:10: unknown key \"kept\" in ledger; did you mean keep?\n"},
        {"region: ap-x\nlog: {target: journald}\ncredentials: {provider: vault}\n" TAIL,
         "F:2:15: log.target is \"journald\"; did you mean journal? write auto, syslog, journal or "
         "stderr\n"
         "F:3:25: credentials.provider is \"vault\"; write auto, env, file, systemd, cvm-role, "
         "assume-role or tke-oidc\n"},
        {"region: ap-x\ncredentials: {provider: assume-role, source: cvm-role}\n" TAIL,
         "F:2:14: credentials.provider assume-role needs role_arn; write role_arn: "
         "qcs::cam::uin/UIN:roleName/NAME\n"
         "F:2:46: credentials.source is \"cvm-role\"; write auto, env, file or systemd\n"},
        {"region: ap-x\ncredentials: {provider: assume-role, role_arn: backup, duration: 13h,\n"
         "  role_session_name: a b, sts_url: \"http://sts.example\", metadata_url: nearest}\n" TAIL,
         "F:2:48: credentials.role_arn is no role; write qcs::cam::uin/UIN:roleName/NAME\n"
         "F:2:66: credentials.duration is 13h; it must be 1m to 12h\n"
         "F:3:22: credentials.role_session_name is not one; write 2 to 128 of letters, digits and "
         "_+=,.@-\n"
         "F:3:36: credentials.sts_url: http:// is allowed to a loopback address only; write "
         "https://\n"
         "F:3:72: credentials.metadata_url: write https://host[:port], or http:// to a loopback "
         "address\n"},
        {"region: ap-x\ncredentials: {role_arn: \"qcs::cam::uin/1:roleName/x\"}\n" TAIL,
         "F:2:25: credentials.role_arn is for assume-role; write provider: assume-role or remove "
         "it\n"},
        {"region: ap-x\nsecret_id: AKIDdoNotShow\ncredentials: {secretKey: doNotShow, Token: "
         "doNotShow}\n" TAIL,
         "F:2:1: secret_id: secrets do not belong in this file; put them into the environment or a "
         "credentials file (see credentials)\n"
         "F:3:15: secretKey: secrets do not belong in this file; put them into the environment or "
         "a credentials file (see credentials)\n"
         "F:3:37: Token: secrets do not belong in this file; put them into the environment or a "
         "credentials file (see credentials)\n"},
        {"region: ap-x\nrate_limit: {per_second: 5, persecond: 6}\n" TAIL,
         "F:2:29: unknown key \"persecond\" in rate_limit; did you mean per_second?\n"},
        {"region: ap-x\n", "F:1:1: the file has no schedules; add schedules: {NAME: {cron: ..., "
                           "instances: [crs-...]}}\n"},
        {"<<: [x]\n<<: y\n" TAIL,
         "F:1:6: a merge key takes mappings only; write <<: *NAME\n"
         "F:2:5: a merge key takes a mapping; write <<: *NAME\n"
         "F:3:40: no region: the file has none and this instance has none of its own; write "
         "region: ap-guangzhou, say, at the top of the file\n"},
    };
    check_bad(rows, COUNT(rows));
}

static void values_that_are_wrong(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"region: AP_x\n" TAIL, "F:1:9: region: \"AP_x\" is not a region; write lower-case "
                                "letters, digits and '-', such as ap-guangzhou\n"},
        {"region:\n" TAIL, "F:1:8: region is empty; it must be a text\n"},
        {"region: 5\n" TAIL, "F:1:9: region is a number; to mean a text write \"5\" in quotes\n"},
        {"region: [a]\n" TAIL, "F:1:9: region is a list; it must be a text\n"},
        {"region: true\n" TAIL,
         "F:1:9: region is a boolean; to mean a text write \"true\" in quotes\n"},
        {"region: ap-x\nrate_limit: {per_second: \"20\"}\n" TAIL,
         "F:2:26: rate_limit.per_second is a text; it must be a whole number from 1 to 1000, "
         "without quotes\n"},
        {"region: ap-x\nrate_limit: {per_second: 0, burst: 1001}\n" TAIL,
         "F:2:26: rate_limit.per_second is 0; it must be a whole number from 1 to 1000\n"
         "F:2:36: rate_limit.burst is 1001; it must be a whole number from 1 to 1000\n"},
        {"region: ap-x\nrate_limit: {per_second: 5, burst: 6}\n" TAIL,
         "F:2:36: rate_limit.burst is 6; it must be 1 to per_second, which is 5\n"},
        {"region: ap-x\nrate_limit: {per_second: 1.5}\n" TAIL,
         "F:2:26: rate_limit.per_second is \"1.5\"; it must be a whole number from 1 to 1000\n"},
        {"region: ap-x\nrate_limit: {per_second: 0x14}\n" TAIL,
         "F:2:26: rate_limit.per_second is \"0x14\"; it must be a whole number from 1 to 1000\n"},
        {"region: ap-x\nrate_limit: {per_second: 99999999999999999999999}\n" TAIL,
         "F:2:26: rate_limit.per_second is 99999999999999999999999; it must be a whole number from "
         "1 to 1000\n"},
        {"region: ap-x\nrate_limit: {per_second: -1}\n" TAIL,
         "F:2:26: rate_limit.per_second is -1; it must be a whole number from 1 to 1000\n"},
        {"region: ap-x\nrate_limit: 20\n" TAIL,
         "F:2:13: rate_limit must be a mapping of KEY: VALUE\n"},
        {"region: ap-x\nrequests: {timeout: 30, connect_timeout: 2h}\n" TAIL,
         "F:2:21: requests.timeout: '30' needs one unit: ms, s, m, h or d, such as 30s\n"
         "F:2:42: requests.connect_timeout is 2h; it must be 1ms to 1h\n"},
        {"region: ap-x\nrequests: {timeout: yes, connect_timeout: true}\n" TAIL,
         "F:2:21: requests.timeout: 'yes' is not a duration; write a whole number and ms, s, m, h "
         "or d, such as 30m\n"
         "F:2:43: requests.connect_timeout is a boolean; it must be a duration such as 30s, 5m or "
         "6h\n"},
        {"region: ap-x\nlog: {level: warnin, format: xml, target: [a]}\n" TAIL,
         "F:2:14: log.level is \"warnin\"; did you mean warning? write err, warning, notice, info "
         "or debug\n"
         "F:2:30: log.format is \"xml\"; write logfmt or json\n"
         "F:2:43: log.target is a list; it must be a text\n"},
        {"region: ap-x\nlanguage: en_US\n" TAIL,
         "F:2:11: language is \"en_US\"; did you mean en-US? write en-US or zh-CN\n"},
        {"region: ap-x\nproxy: http://me:doNotShow@proxy:1\n" TAIL,
         "F:2:8: proxy holds a user name or password; secrets do not belong in this file, write "
         "http://HOST:PORT\n"},
        {"region: ap-x\nproxy: socks5://doNotShow:1\n" TAIL,
         "F:2:8: proxy must begin with http:// or https://; write http://HOST:PORT\n"},
        {"region: ap-x\nproxy: http://doNotShow\n" TAIL,
         "F:2:8: proxy needs a host and a port; write http://HOST:PORT\n"},
        {"region: ap-x\nproxy: http://a:1/doNotShow\n" TAIL,
         "F:2:8: proxy is not http://HOST:PORT or https://HOST:PORT\n"},
        {"region: ap-x\nendpoint: http://example.com\n" TAIL,
         "F:2:11: endpoint: http:// is allowed to a loopback address only; write https://\n"},
        {"region: ap-x\nendpoint: near\n" TAIL,
         "F:2:11: endpoint: write nearest, regional, internal, international, https://host[:port], "
         "or http:// to a loopback address\n"},
        {"region: ap-x\ncredentials: {file: ~/keys, provider: env}\n" TAIL,
         "F:2:21: credentials.file is not read with provider env; write provider: file or remove "
         "it\n"
         "F:2:21: credentials.file: ~ is not expanded here; write the whole path\n"},
        {"region: ap-x\nledger: {keep: 23h}\nrequests: {settle: 999ms}\n" TAIL,
         "F:2:16: ledger.keep is 23h; it must be 1d to 3660d\n"
         "F:3:20: requests.settle is 999ms; it must be 1s to 1h\n"},
        {"region: ap-x\nledger: {keep: 3661d}\nrequests: {settle: 61m}\n" TAIL,
         "F:2:16: ledger.keep: '3661d' is longer than 3660d\n"
         "F:3:20: requests.settle is 61m; it must be 1s to 1h\n"},
        {"region: ap-x\nledger: 90d\n" TAIL, "F:2:9: ledger must be a mapping of KEY: VALUE\n"},
        {"region: ap-x\ncontrol: {socket: run/s}\n" TAIL,
         "F:2:19: control.socket is not an absolute path; write one that begins with /\n"},
        {"region: ap-x\ncontrol: {socket: ~/s}\n" TAIL,
         "F:2:19: control.socket: ~ is not expanded here; write the whole path\n"},
        {"region: ap-x\ncontrol: {socket: /" SEVENTY SEVENTY "}\n" TAIL,
         "F:2:19: control.socket is 141 bytes long; a socket's path has at most 107\n"},
        {"region: ap-x\nstate_dir: \"\"\n" TAIL,
         "F:2:12: state_dir is empty; write a value or remove the key\n"},
        {"region: ap-x\ntimezone: Asia/Shangai\n" TAIL,
         "F:2:11: timezone \"Asia/Shangai\": no such zone; did you mean Asia/Shanghai?\n"},
        {"region: ap-x\ntimezone: ../etc/passwd\n" TAIL,
         "F:2:11: timezone \"../etc/passwd\": is not the name of a zone; write one such as "
         "Asia/Shanghai\n"},
    };
    check_bad(rows, COUNT(rows));
}

#define HEAD "region: ap-x\nschedules:\n"

static void schedules_that_are_wrong(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"region: ap-x\nschedules: [a]\n",
         "F:2:12: schedules must be a mapping of NAME: {cron, instances, ...}\n"},
        {"region: ap-x\nschedules:\n",
         "F:2:11: schedules must be a mapping of NAME: {cron, instances, ...}\n"},
        {HEAD "  a:\n", "F:3:5: schedule a must be a mapping with cron or every, and instances\n"},
        {HEAD "  a: {}\n", "F:3:3: schedule a has no instances; add instances: [crs-...]\n"
                           "F:3:3: schedule a has no time; add cron: \"0 3 * * *\" or every: 6h\n"},
        {HEAD "  a b: {}\n  -x: {}\n",
         "F:3:3: \"a b\" cannot name a schedule; write at most 64 letters, digits, '.', '_' or "
         "'-', not beginning with '-'\n"
         "F:4:3: \"-x\" cannot name a schedule; write at most 64 letters, digits, '.', '_' or '-', "
         "not beginning with '-'\n"},
        {HEAD "  a: {every: 1h, instances: [crs-a]}\n  a: {every: 1h, instances: [crs-a]}\n",
         "F:4:3: schedule a is given twice; rename or remove one\n"},
        {HEAD "  a: {every: 1h, cron: \"0 3 * * *\", instances: [crs-a]}\n",
         "F:3:7: schedule a has cron and every; keep one\n"},
        {HEAD "  a: {every: 500ms, instances: [crs-a]}\n  b: {every: 1500ms, instances: [crs-a]}\n"
              "  c: {every: 0, instances: [crs-a]}\n  d: {every: 367d, instances: [crs-a]}\n",
         "F:3:14: every is 500ms; it must be 1s to 366d\n"
         "F:4:14: every is 1500ms; it must be whole seconds\n"
         "F:5:14: every is 0; it must be 1s to 366d\n"
         "F:6:14: every is 367d; it must be 1s to 366d\n"},
        {HEAD "  a: {every: 1h, start_within: 0, spread: -1m, instances: [crs-a]}\n",
         "F:3:32: start_within is 0; it must be 1s to 366d\n"
         "F:3:43: spread: '-1m' is not a duration; write a whole number and ms, s, m, h or d, such "
         "as 30m\n"},
        {HEAD "  a: {every: 1h, complete_within: 367d, retry_failed: 11, instances: [crs-a]}\n"
              "  b: {every: 1h, complete_within: 999ms, retry_failed: -1, instances: [crs-a]}\n"
              "  c: {every: 1h, overlap: forbit, on_unknown: retry, instances: [crs-a]}\n",
         "F:3:35: complete_within is 367d; it must be 1s to 366d\n"
         "F:3:55: retry_failed is 11; it must be a whole number from 0 to 10\n"
         "F:4:35: complete_within is 999ms; it must be 1s to 366d\n"
         "F:4:56: retry_failed is -1; it must be a whole number from 0 to 10\n"
         "F:5:27: overlap is \"forbit\"; did you mean forbid? write forbid or allow\n"
         "F:5:47: on_unknown is \"retry\"; write hold or resend\n"},
        {HEAD "  a: {every: 1h, catch_up: all, paused: yes, storage_days: 1826, instances: x}\n",
         "F:3:28: catch_up is \"all\"; write once or none\n"
         "F:3:41: paused is \"yes\"; write true or false, without quotes\n"
         "F:3:60: storage_days is 1826; it must be a whole number from 0 to 1825\n"
         "F:3:77: instances must be a list; write instances: [crs-...]\n"},
        {HEAD "  a: {every: 1h, paused: \"true\", instances: [crs-a]}\n",
         "F:3:26: paused is \"true\"; write true or false, without quotes\n"},
        {HEAD "  a: {cron: 5, instances: [crs-a]}\n",
         "F:3:13: cron is a number; to mean a text write \"5\" in quotes\n"},
        {HEAD "  a: {every: 1h, remark: \"a\\tb\", instances: [crs-a]}\n"
              "  b: {every: 1h, remark: \"a\\u0085b\", instances: [crs-a]}\n"
              "  c: {every: 1h, remark: |\n   x\n   y\n, instances: [crs-a]}\n",
         "F:5:26: not YAML: found character that cannot start any token while scanning for the "
         "next token; a value that begins with @, % or ` needs quotes, such as cron: \"@daily\", "
         "and indentation is made of blanks, not tabs\n"},
        {HEAD "  a: {every: 1h, remark: \"a\\tb\", instances: [crs-a]}\n"
              "  b: {every: 1h, remark: \"a\\u0085b\", instances: [crs-a]}\n"
              "  c:\n    every: 1h\n    remark: |\n      x\n    instances: [crs-a]\n",
         "F:3:26: remark: \"a\\tb\" holds a tab; write it without\n"
         "F:4:26: remark: \"a??b\" holds a control character; write it without\n"
         "F:7:13: remark: \"x\\n\" holds a line feed; write it without\n"},
    };
    check_bad(rows, COUNT(rows));
}

static void instances_that_are_wrong(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {HEAD "  a:\n    every: 1h\n    instances: [crs-a, crs-b, crs-a, {id: crs-b}]\n",
         "F:5:31: instance crs-a is listed twice in this schedule; keep one\n"
         "F:5:43: instance crs-b is listed twice in this schedule; keep one\n"},
        {HEAD "  a:\n    every: 1h\n    instances: [CRS-a, 5, ~, [], {}, {id: 7}, \"crs-a\\nx\"]\n",
         "F:5:17: \"CRS-a\" is not an instance id; write crs- and lower-case letters or digits, "
         "such as crs-5a4py64p\n"
         "F:5:24: \"5\" is not an instance id; write crs- and lower-case letters or digits, such "
         "as crs-5a4py64p\n"
         "F:5:27: \"~\" is not an instance id; write crs- and lower-case letters or digits, such "
         "as crs-5a4py64p\n"
         "F:5:30: an instance is a list; write crs-... or {id: crs-..., ...}\n"
         "F:5:34: an instance without id; write {id: crs-...}\n"
         "F:5:43: id is a number; to mean a text write \"7\" in quotes\n"
         "F:5:47: \"crs-a\\nx\" is not an instance id; write crs- and lower-case letters or "
         "digits, such as crs-5a4py64p\n"},
        {HEAD "  a:\n    every: 1h\n    instances: [{id: crs-a, regio: x}, {id: crs-b, id: "
              "crs-c}, {id: crs-d, region: X, storage_days: x}]\n",
         "F:5:29: unknown key \"regio\" in an instance; did you mean region?\n"
         "F:5:52: id is given twice, first in line 5; keep one\n"
         "F:5:84: region: \"X\" is not a region; write lower-case letters, digits and '-', such as "
         "ap-guangzhou\n"
         "F:5:101: storage_days is a text; it must be a whole number from 0 to 1825\n"},
        {"schedules:\n  a: {every: 1h, instances: [crs-a, crs-b, {id: crs-c, region: r}]}\n",
         "F:2:30: no region: the file has none and this instance has none of its own; write "
         "region: ap-guangzhou, say, at the top of the file\n"},
    };
    check_bad(rows, COUNT(rows));
}

static void an_expression_that_is_wrong(void **state)
{
    (void)state;
    static const char text[] = HEAD "  a: {cron: \"22-2 * * * *\", instances: [crs-a]}\n";
    struct config *config = NULL;
    struct cron cron;
    struct errtext why;
    char expected[ERRTEXT_MAX + 32];
    assert_int_equal(cron_parse("22-2 * * * *", &cron, &why), -EINVAL);
    (void)snprintf(expected, sizeof expected, "F:3:13: cron: %s\n", why.text);
    assert_int_equal(load_bytes(text, sizeof text - 1, &config), CONFIG_INVALID);
    assert_string_equal(lines, expected);
}

/* A list that three schedules share is told of once for each fault. */
static void faults_behind_aliases_are_told_once(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {HEAD "  a: {every: 1h, instances: &l [crs-A]}\n  b: &b {every: 1h, instances: *l, x: 1}\n"
              "  c: {<<: *b, every: 2h}\n",
         "F:3:33: \"crs-A\" is not an instance id; write crs- and lower-case letters or digits, "
         "such as crs-5a4py64p\n"
         "F:4:36: unknown key \"x\" in a schedule; known are cron, every, timezone, spread, "
         "start_within, remark, storage_days, instances, catch_up, paused, complete_within, "
         "overlap, on_unknown, retry_failed\n"},
    };
    check_bad(rows, COUNT(rows));
}

/* ---- sizes ---- */

static void long_remarks_are_refused(void **state)
{
    (void)state;
    static char text[16384];
    static char remark[10241];
    memset(remark, 'r', sizeof remark - 1);
    for (int length = MODEL_REMARK_MAX; length <= 10240; length += 10240 - MODEL_REMARK_MAX) {
        (void)snprintf(text, sizeof text,
                       "region: ap-x\nschedules: {a: {every: 1h, remark: %.*s, "
                       "instances: [crs-a]}}\n",
                       length, remark);
        struct config *config = NULL;
        int outcome = load_bytes(text, strlen(text), &config);
        assert_int_equal(outcome, length == MODEL_REMARK_MAX ? 0 : CONFIG_INVALID);
        if (outcome != 0)
            assert_string_equal(lines,
                                "F:2:36: remark is 10240 bytes long; at most 1024 are allowed\n");
        config_unref(config);
    }
}

static void the_report_has_a_maximum(void **state)
{
    (void)state;
    static char text[65536];
    size_t length = (size_t)snprintf(text, sizeof text,
                                     "region: ap-x\nschedules:\n  a:\n"
                                     "    every: 1h\n    instances:\n");
    for (int i = 0; i < 1000; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "    - BAD-%d\n", i);
    struct config *config = NULL;
    assert_int_equal(load_bytes(text, length, &config), CONFIG_INVALID);
    assert_non_null(strstr(lines, "F:105:7: \"BAD-99\" is not"));
    assert_null(strstr(lines, "BAD-100"));
    assert_non_null(strstr(lines, "\nF: ... and 900 more errors\n"));
}

/* Ten levels of ten aliases each: 10^10 values, refused long before. */
static void expansions_are_bounded(void **state)
{
    (void)state;
    char text[2048];
    size_t length = (size_t)snprintf(text, sizeof text, "a0: &a0 [x]\n");
    for (int i = 1; i <= 10; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            length += (size_t)snprintf(text + length, sizeof text - length, "*a%d,", i - 1);
        length += (size_t)snprintf(text + length, sizeof text - length, "]\n");
    }
    struct config *config = NULL;
    assert_int_equal(load_bytes(text, length, &config), CONFIG_INVALID);
    assert_non_null(strstr(lines, "aliases stand for more than 10000000 values"));
}

/* Merge keys that lead from one schedule to the next, deeper than any stack should follow. */
static void merges_are_bounded(void **state)
{
    (void)state;
    static char text[8192];
    size_t length =
        (size_t)snprintf(text, sizeof text, HEAD "  s0: &s0 {every: 1h, instances: [crs-a]}\n");
    for (int i = 1; i <= 40; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "  s%d: &s%d {<<: *s%d}\n",
                                   i, i, i - 1);
    struct config *config = NULL;
    assert_int_equal(load_bytes(text, length, &config), CONFIG_INVALID);
    assert_non_null(strstr(lines, "merge keys lead more than 16 deep; write it flatter"));
}

static void a_hundred_thousand_instances_load(void **state)
{
    (void)state;
    enum { INSTANCES = 100000 };
    size_t size = INSTANCES * 24 + 200;
    char *text = malloc(size);
    size_t length = (size_t)snprintf(text, size,
                                     "region: ap-x\nschedules:\n  a:\n    every: 1d\n"
                                     "    spread: 1h\n    instances:\n");
    for (int i = 0; i < INSTANCES; i++)
        length += (size_t)snprintf(text + length, size - length, "      - crs-%08x\n", i);
    struct config *config = NULL;
    assert_int_equal(load_bytes(text, length, &config), 0);
    assert_int_equal(config->instance_count, INSTANCES);
    assert_string_equal(config->schedules[0].instances[INSTANCES - 1].id, "crs-0001869f");
    assert_int_equal(config->schedules[0].groups[0].count, INSTANCES);
    config_unref(config);
    (void)snprintf(text + length, size - length, "      - crs-%08x\n", 77);
    assert_int_equal(load_bytes(text, length + 21, &config), CONFIG_INVALID);
    assert_string_equal(lines, "F:100007:9: instance crs-0000004d is listed twice in this "
                               "schedule; keep one\n");
    free(text);
}

static void a_zone_is_asked_for_once(void **state)
{
    (void)state;
    static const char text[] = "region: ap-x\ntimezone: Asia/Shanghai\nschedules:\n"
                               "  a: {every: 1h, instances: [crs-a]}\n"
                               "  b: {every: 1h, instances: [crs-a], timezone: Asia/Shanghai}\n"
                               "  c: {every: 1h, instances: [crs-a], timezone: UTC}\n"
                               "  d: {every: 1h, instances: [crs-a], timezone: Mars}\n"
                               "  e: {every: 1h, instances: [crs-a], timezone: Mars}\n";
    unsigned asked = 0;
    struct config_report report = {0};
    struct config *config = NULL;
    struct config_load_options o = options(&asked);
    assert_int_equal(config_yaml_load_bytes(text, sizeof text - 1, &o, &config, &report),
                     CONFIG_INVALID);
    assert_int_equal(asked, 2);
    assert_int_equal(report.errors.found, 2);
    config_report_finish(&report);
}

static unsigned ca_files_asked;

static int judge_ca_file(const char *path, struct errtext *err)
{
    ca_files_asked++;
    if (strcmp(path, "/memory") == 0)
        return -ENOMEM;
    return strcmp(path, "/good") == 0
               ? 0
               : errtext_set(err, -ENOENT, "%s cannot be read: gone; name another", path);
}

static void a_ca_file_is_asked_about(void **state)
{
    (void)state;
#define WITH_CA(path) "region: ap-x\ntls: {ca_file: " path "}\nschedules: {}\n"
    static const struct {
        const char *text;
        int outcome;
        unsigned asked;
        const char *report;
    } rows[] = {
        {WITH_CA("/good"), 0, 1, ""},
        {WITH_CA("/bad"), CONFIG_INVALID, 1,
         "F:2:16: tls.ca_file: /bad cannot be read: gone; name another\n"},
        {WITH_CA("/memory"), -ENOMEM, 1, ""},
        {WITH_CA("~/good"), CONFIG_INVALID, 0,
         "F:2:16: tls.ca_file: ~ is not expanded here; write the whole path\n"},
        {WITH_CA("[/good]"), CONFIG_INVALID, 0,
         "F:2:16: tls.ca_file is a list; it must be a text\n"},
        {"region: ap-x\nschedules: {}\n", 0, 0, ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct config_report report = {0};
        struct config *config = NULL;
        struct config_load_options o = options(NULL);
        o.ca_file = judge_ca_file;
        ca_files_asked = 0;
        assert_int_equal(
            config_yaml_load_bytes(rows[i].text, strlen(rows[i].text), &o, &config, &report),
            rows[i].outcome);
        assert_int_equal(ca_files_asked, rows[i].asked);
        lines[0] = '\0';
        config_report_lines(&(struct config_report){.errors = report.errors}, "F", add_line, NULL);
        assert_string_equal(lines, rows[i].report);
        config_report_finish(&report);
        config_unref(config);
    }
}

/* ---- files ---- */

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    static char directory[] = "/tmp/config-XXXXXX";
    char path[64];
    char expected[256];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/f", directory);
    static const struct {
        char kind;
        const char *report;
    } rows[] = {
        {'-', "F:1:1: cannot be opened: No such file or directory; name a readable file\n"},
        {'d', "F:1:1: is a directory; name the file in it\n"},
        {'p', "F:1:1: is not a regular file; name one\n"},
        {'l', "F:1:1: the file is larger than 64 MiB; split the instances over several hosts\n"},
        {'e', "F:1:1: the file is empty; it needs at least region and schedules\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].kind == 'd')
            assert_int_equal(mkdir(path, 0700), 0);
        if (rows[i].kind == 'p')
            assert_int_equal(mkfifo(path, 0600), 0);
        if (rows[i].kind == 'l' || rows[i].kind == 'e') {
            FILE *file = fopen(path, "w");
            assert_non_null(file);
            assert_int_equal(ftruncate(fileno(file), rows[i].kind == 'l' ? CONFIG_FILE_MAX + 1 : 0),
                             0);
            assert_int_equal(fclose(file), 0);
        }
        struct config_report report = {0};
        struct config *config = NULL;
        struct config_load_options o = options(NULL);
        assert_int_equal(config_yaml_load(path, &o, &config, &report), CONFIG_INVALID);
        lines[0] = '\0';
        config_report_lines(&report, "F", add_line, NULL);
        (void)snprintf(expected, sizeof expected, "%s", rows[i].report);
        assert_string_equal(lines, expected);
        config_report_finish(&report);
        (void)remove(path);
    }
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_file_becomes_its_config),
        cmocka_unit_test(sts_follows_the_endpoint),
        cmocka_unit_test(a_small_file_takes_the_defaults),
        cmocka_unit_test(every_instance_may_name_its_region),
        cmocka_unit_test(anchors_aliases_and_merges_work),
        cmocka_unit_test(an_anchor_may_be_set_anew),
        cmocka_unit_test(limits_are_inclusive),
        cmocka_unit_test(warnings_do_not_refuse),
        cmocka_unit_test(bytes_that_are_no_yaml),
        cmocka_unit_test(keys_that_are_wrong),
        cmocka_unit_test(values_that_are_wrong),
        cmocka_unit_test(schedules_that_are_wrong),
        cmocka_unit_test(instances_that_are_wrong),
        cmocka_unit_test(an_expression_that_is_wrong),
        cmocka_unit_test(faults_behind_aliases_are_told_once),
        cmocka_unit_test(long_remarks_are_refused),
        cmocka_unit_test(the_report_has_a_maximum),
        cmocka_unit_test(expansions_are_bounded),
        cmocka_unit_test(merges_are_bounded),
        cmocka_unit_test(a_hundred_thousand_instances_load),
        cmocka_unit_test(a_zone_is_asked_for_once),
        cmocka_unit_test(a_ca_file_is_asked_about),
        cmocka_unit_test(files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

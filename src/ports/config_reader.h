/*
 * What the rooms of the loader share: the reader's state, the schema's tables and the values.
 * Private to config_*.c.
 *
 * A section of the file is a table of rules, one line a key; section_read() walks a mapping by its
 * table, merge keys included, and stores what is a plain setting at the rule's offset into the
 * target. A key of the product that does not work yet has RULE_PLANNED.
 *
 * Errors go to the report and reading goes on; only a lack of memory (or of SHA-256) ends it, by
 * reader->failure.
 */
#pragma once

#include "base/names.h"
#include "base/text.h"
#include "ports/config_yaml.h"
#include "ports/config_yaml_tree.h"

#define RULES_MAX 32
#define MERGE_DEPTH_MAX 16

enum rule_kind {
    RULE_PLANNED,  /* refused as not supported yet */
    RULE_CALLER,   /* read by the owner of the section, from section_given */
    RULE_SECTION,  /* a mapping with its own rules, same target */
    RULE_WORD,     /* one of `words`; an enum of the target */
    RULE_TEXT,     /* a const char * of the target */
    RULE_PATH,     /* the same, not empty, without "~/" */
    RULE_SOCKET,   /* the same, absolute, at most MODEL_SOCKET_MAX bytes */
    RULE_CA_FILE,  /* the same, and the caller's function finds no fault in the file */
    RULE_REGION,   /* the same, [a-z0-9-] */
    RULE_REMARK,   /* the same, at most MODEL_REMARK_MAX bytes */
    RULE_PROXY,    /* the same, a URL of a proxy */
    RULE_ENDPOINT, /* the same, as model_endpoint_url() takes it */
    RULE_URL,      /* the same, a URL as model_endpoint_url() takes one; stored with its "/" */
    RULE_LISTEN,   /* the same, as listen_address_parse() takes it; others than this host: warned */
    RULE_LANGUAGE, /* the same, one of `words` */
    RULE_WHOLE,    /* an int32_t from `least` to `most` */
    RULE_DURATION, /* an int64_t of microseconds from `least` to `most` */
    RULE_BOOL,
};

struct word {
    const char *name;
    int value;
    bool planned;
};

struct rule {
    const char *key;
    enum rule_kind kind;
    size_t offset;
    int64_t least;
    int64_t most;
    const struct word *words; /* ends in a NULL name */
    const struct section *section;
    bool in_reader; /* the offset is into struct reader, not into the target */
};

struct section {
    const char *name; /* for messages: "rate_limit." or "" */
    const char *what; /* "the file", "a schedule", ... */
    const struct rule *rules;
    size_t count;
};

/* The key of each rule: index into the tree, 0 where the file has none. Its value is the next. */
struct section_given {
    uint32_t key[RULES_MAX];
    const struct tree_node *owner[RULES_MAX]; /* the mapping that gave it */
};

/* The rules that their owners look at, by their place in the table of config_schema.c. */
enum { FILE_REGION, FILE_TIMEZONE, FILE_CREDENTIALS, FILE_RATE_LIMIT, FILE_SCHEDULES };
enum {
    CREDENTIALS_PROVIDER,
    CREDENTIALS_PATH,
    CREDENTIALS_ROLE_ARN,
    CREDENTIALS_SESSION_NAME,
    CREDENTIALS_SOURCE,
};
enum { RATE_LIMIT_PER_SECOND, RATE_LIMIT_BURST };
enum {
    SCHEDULE_CRON,
    SCHEDULE_EVERY,
    SCHEDULE_TIMEZONE,
    SCHEDULE_SPREAD,
    SCHEDULE_START_WITHIN,
    SCHEDULE_REMARK,
    SCHEDULE_STORAGE_DAYS,
    SCHEDULE_INSTANCES,
};
enum { INSTANCE_ID, INSTANCE_REGION };

struct zone_use {
    const struct zone *zone; /* NULL: not usable, `why` says */
    const char *why;
};

struct region_use {
    const char *name;
    uint32_t host;
};

struct reader {
    const struct config_load_options *options;
    struct tree tree;
    struct config *config;
    struct config_report *report;
    int failure; /* -ENOMEM, -EIO: everything stops */

    const char *region; /* of the file, NULL: none */
    const char *zone_name;
    const struct zone *zone;
    bool region_missing_told;

    const char *schedule_remark; /* of the schedule that is being read */
    int32_t schedule_storage_days;

    struct arena arena; /* of the reader's own texts */
    struct names zone_names;
    struct zone_use *zones;
    struct names region_names;
    struct region_use *regions;
    struct names schedule_names;
    struct names ids; /* of the schedule that is being read */
};

extern const struct section section_file;
extern const struct section section_credentials;
extern const struct section section_rate_limit;
extern const struct section section_schedule;
extern const struct section section_instance;

/* ---- config_report.c ---- */

void report_error(struct reader *r, const struct tree_node *at, const char *format, ...)
    PRINTF_LIKE(3, 4);
void report_warning(struct reader *r, const struct tree_node *at, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Outcomes: 0; -ENOMEM. */
int report_add(struct config_problems *problems, uint32_t line, uint32_t column,
               const char *text) MUST_CHECK;
void report_sort(struct config_report *report);

/* A value of the file for a message: in quotes, escaped, cut where it is long. */
#define QUOTED_MAX 80
const char *quote_value(const char *bytes, size_t length, char buffer[QUOTED_MAX]);

/* ---- config_value.c: one value, checked; false: reported ---- */

bool value_read(struct reader *r, const struct section *section, const struct rule *rule,
                const struct tree_node *node, void *target);
/* A text of any kind but null, number and boolean, without control characters. */
bool value_text(struct reader *r, const char *what, const struct tree_node *node);
bool value_duration(struct reader *r, const char *what, const struct tree_node *node, int64_t least,
                    int64_t most, int64_t *ret_us);

/* ---- config_section.c ---- */

/* Reads a mapping by its rules into `target`. False where the node is no mapping. */
bool section_read(struct reader *r, const struct section *section, const struct tree_node *node,
                  void *target, struct section_given *ret);

/* The value given for a rule's key, NULL where there is none. */
const struct tree_node *section_value(const struct reader *r, const struct section_given *given,
                                      size_t rule);

/* Asks whether the key means a secret, however it is spelt. */
bool key_is_secret(const char *key);

/* ---- config_schedule.c ---- */

void read_schedules(struct reader *r, const struct tree_node *node);
/* The zone by name, from the cache or the caller's function; NULL: reported at `at`. */
const struct zone *reader_zone(struct reader *r, const struct tree_node *at, const char *name);

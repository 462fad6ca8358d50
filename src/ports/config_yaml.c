/*
 * See config_yaml.h. The loader's steps, each in its own room:
 *
 *   file (config_file) -> bytes -> tree (config_yaml_tree) -> sections and values (config_section,
 *   config_value, by config_schema's tables) -> schedules (config_schedule) -> config_freeze()
 *
 * Bytes that are not YAML text end in one error. A tree is read to its end, whatever is wrong in
 * it, so that one run shows every error; a config is made along the way and dropped where there was
 * one.
 */
#include "ports/config_yaml.h"

#include "ports/config_file.h"
#include "ports/config_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* [A-Za-z0-9_+=,.@-], 2 to 128 of them: what STS takes for a session's name. */
static bool session_name_is_valid(const char *name)
{
    size_t length = strlen(name);
    if (length < 2 || length > 128)
        return false;
    for (; *name != '\0'; name++)
        if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z')
              || (*name >= '0' && *name <= '9') || strchr("_+=,.@-", *name) != NULL))
            return false;
    return true;
}

static void check_credentials(struct reader *r, const struct section_given *given,
                              const struct tree_node *at)
{
    const struct credentials_settings *c = &r->config->credentials;
    bool role = c->provider == CREDENTIALS_ASSUME_ROLE;
    bool file = c->provider == CREDENTIALS_AUTO || c->provider == CREDENTIALS_FILE
                || (role && (c->source == CREDENTIALS_AUTO || c->source == CREDENTIALS_FILE));
    const struct tree_node *node = section_value(r, given, CREDENTIALS_PATH);
    const struct tree_node *word = section_value(r, given, CREDENTIALS_PROVIDER);
    if (node != NULL && !file && word != NULL)
        report_error(r, node,
                     "credentials.file is not read with provider %.20s; write provider: file or "
                     "remove it",
                     word->text);
    node = section_value(r, given, CREDENTIALS_ROLE_ARN);
    if (role && node == NULL)
        report_error(r, at,
                     "credentials.provider assume-role needs role_arn; write role_arn: "
                     "qcs::cam::uin/UIN:roleName/NAME");
    if (node != NULL && c->role_arn != NULL
        && (strncmp(c->role_arn, "qcs::cam::", 10) != 0 || node->count > 512))
        report_error(r, node,
                     "credentials.role_arn is no role; write "
                     "qcs::cam::uin/UIN:roleName/NAME");
    const struct tree_node *source = section_value(r, given, CREDENTIALS_SOURCE);
    if (!role && (node != NULL || source != NULL))
        report_error(r, node != NULL ? node : source,
                     "credentials.%s is for assume-role; write provider: assume-role or remove it",
                     node != NULL ? "role_arn" : "source");
    node = section_value(r, given, CREDENTIALS_SESSION_NAME);
    if (node != NULL && !session_name_is_valid(c->role_session_name))
        report_error(r, node,
                     "credentials.role_session_name is not one; write 2 to 128 of letters, digits "
                     "and _+=,.@-");
}

/* Where STS is asked, by the endpoint and the region of the file. */
static void read_sts(struct reader *r)
{
    struct credentials_settings *c = &r->config->credentials;
    const char *region = r->region != NULL ? r->region : MODEL_STS_REGION;
    char url[MODEL_URL_MAX];
    c->sts_region = region;
    if (c->sts_url != NULL)
        return; /* the file says it */
    model_sts_url(r->config->endpoint, region, url);
    r->failure = config_string(r->config, url, strlen(url), true, &c->sts_url);
}

static void check_together(struct reader *r, const struct section_given *rate_limit)
{
    const struct config *config = r->config;
    const struct tree_node *burst = section_value(r, rate_limit, RATE_LIMIT_BURST);
    if (config->burst > config->per_second && burst != NULL)
        report_error(r, burst, "rate_limit.burst is %d; it must be 1 to per_second, which is %d",
                     config->burst, config->per_second);
}

/* The file's own time zone, for the schedules that name none. */
static void read_zone(struct reader *r, const struct tree_node *node)
{
    if (node == NULL)
        return;
    r->zone = NULL;
    if (value_text(r, "timezone", node)) {
        r->zone_name = node->text;
        r->zone = reader_zone(r, node, node->text);
    }
}

static void read_file(struct reader *r)
{
    const struct tree_node *root = tree_at(&r->tree, TREE_ROOT);
    struct section_given given;
    struct section_given credentials = {0};
    struct section_given rate_limit = {0};
    if (root->kind != TREE_MAPPING) {
        report_error(r, root,
                     "the file must be a mapping of KEY: VALUE; it needs at least region and "
                     "schedules");
        return;
    }
    (void)section_read(r, &section_file, root, r->config, &given);
    const struct tree_node *node = section_value(r, &given, FILE_CREDENTIALS);
    if (node != NULL && section_read(r, &section_credentials, node, r->config, &credentials))
        check_credentials(r, &credentials, node);
    if (r->failure == 0)
        read_sts(r);
    node = section_value(r, &given, FILE_RATE_LIMIT);
    if (node != NULL)
        (void)section_read(r, &section_rate_limit, node, r->config, &rate_limit);
    check_together(r, &rate_limit);
    if (r->failure == 0)
        read_zone(r, section_value(r, &given, FILE_TIMEZONE));
    /* A region that was refused is not missing at every instance. */
    r->region_missing_told = section_value(r, &given, FILE_REGION) != NULL;
    node = section_value(r, &given, FILE_SCHEDULES);
    if (node == NULL)
        report_error(r, root,
                     "the file has no schedules; add schedules: {NAME: {cron: ..., "
                     "instances: [crs-...]}}");
    else if (r->failure == 0)
        read_schedules(r, node);
}

static int read_tree(struct reader *r)
{
    int outcome = config_create(&r->config);
    if (outcome != 0)
        return outcome;
    r->zone_name = "UTC";
    r->zone = zone_utc();
    if (r->options->state_dir != NULL) {
        outcome = config_string(r->config, r->options->state_dir, strlen(r->options->state_dir),
                                true, &r->config->state_dir);
        if (outcome != 0)
            return outcome;
    }
    if (r->options->socket != NULL) {
        outcome = config_string(r->config, r->options->socket, strlen(r->options->socket), true,
                                &r->config->control_socket);
        if (outcome != 0)
            return outcome;
    }
    const char *socket = r->config->control_socket;
    read_file(r);
    r->config->control_given = r->config->control_socket != socket;
    return r->failure;
}

static void reader_finish(struct reader *r)
{
    config_unref(r->config);
    tree_finish(&r->tree);
    arena_finish(&r->arena);
    names_finish(&r->zone_names);
    names_finish(&r->region_names);
    names_finish(&r->schedule_names);
    names_finish(&r->ids);
    free(r->zones);
    free(r->regions);
}

static int read_bytes(struct reader *r, const char *bytes, size_t length)
{
    struct tree_fault fault;
    int outcome = config_file_check(bytes, length, &fault);
    size_t mark = length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    if (outcome == 0)
        outcome = tree_parse(&r->tree, bytes + mark, length - mark, &fault);
    if (outcome > 0)
        outcome = report_add(&r->report->errors, fault.line, fault.column, fault.why.text);
    else if (outcome == 0)
        outcome = read_tree(r);
    if (outcome != 0)
        return outcome;
    report_sort(r->report);
    if (r->report->errors.found > 0)
        return CONFIG_INVALID;
    tree_finish(&r->tree); /* the largest piece, before the order is made */
    return config_freeze(r->config);
}

int config_yaml_load_bytes(const char *bytes, size_t length,
                           const struct config_load_options *options, struct config **ret,
                           struct config_report *report)
{
    struct reader r = {.options = options, .report = report};
    int outcome = read_bytes(&r, bytes, length);
    if (outcome == 0) {
        *ret = r.config;
        r.config = NULL;
    }
    reader_finish(&r);
    return outcome;
}

int config_yaml_load(const char *path, const struct config_load_options *options,
                     struct config **ret, struct config_report *report)
{
    char *bytes;
    size_t length;
    struct errtext why;
    int outcome = config_file_read(path, &bytes, &length, &why);
    if (outcome == -ENOMEM || outcome == -EMFILE || outcome == -ENFILE)
        return outcome; /* says nothing about the file */
    if (outcome != 0) {
        outcome = report_add(&report->errors, 1, 1, why.text);
        return outcome != 0 ? outcome : CONFIG_INVALID;
    }
    outcome = config_yaml_load_bytes(bytes, length, options, ret, report);
    free(bytes);
    return outcome;
}

/*
 * One value of the file, by its rule. Types are those of YAML 1.2's core schema: only a scalar
 * without quotes can be a number, a boolean or null; yes, no, on and off are texts.
 */
#include "ports/config_reader.h"
#include "ports/listen_address.h"

#include <errno.h>
#include <string.h>

enum scalar_type {
    SCALAR_TEXT,
    SCALAR_NULL,
    SCALAR_BOOL,
    SCALAR_WHOLE,  /* decimal */
    SCALAR_NUMBER, /* any other spelling of a number */
};

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

/* [-+]? ( . [0-9]+ | [0-9]+ ( . [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, and hex, octal, .inf, .nan */
static bool is_other_number(const char *p)
{
    static const char *const named[] = {".inf",  ".Inf",  ".INF",  "-.inf", "-.Inf", "-.INF",
                                        "+.inf", "+.Inf", "+.INF", ".nan",  ".NaN",  ".NAN"};
    if (is_one_of(p, named, sizeof named / sizeof named[0]))
        return true;
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'o') && p[2] != '\0')
        return p[2 + strspn(p + 2, p[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567")] == '\0';
    if (*p == '-' || *p == '+')
        p++;
    size_t digits = strspn(p, "0123456789");
    p += digits;
    if (*p == '.') {
        size_t fraction = strspn(p + 1, "0123456789");
        p += 1 + fraction;
        digits += fraction;
    }
    if (digits == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        if (*p == '-' || *p == '+')
            p++;
        size_t exponent = strspn(p, "0123456789");
        if (exponent == 0)
            return false;
        p += exponent;
    }
    return *p == '\0';
}

static enum scalar_type type_of(const struct tree_node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    if (!node->plain || strlen(node->text) != node->count)
        return SCALAR_TEXT;
    if (is_one_of(node->text, nulls, sizeof nulls / sizeof nulls[0]))
        return SCALAR_NULL;
    if (is_one_of(node->text, bools, sizeof bools / sizeof bools[0]))
        return SCALAR_BOOL;
    const char *digits = node->text + (node->text[0] == '-' || node->text[0] == '+');
    if (*digits != '\0' && digits[strspn(digits, "0123456789")] == '\0')
        return SCALAR_WHOLE;
    return is_other_number(node->text) ? SCALAR_NUMBER : SCALAR_TEXT;
}

static const char *type_name(const struct tree_node *node)
{
    if (node->kind == TREE_SEQUENCE)
        return "a list";
    if (node->kind == TREE_MAPPING)
        return "a mapping";
    switch (type_of(node)) {
    case SCALAR_NULL:
        return "nothing";
    case SCALAR_BOOL:
        return "a boolean";
    case SCALAR_WHOLE:
    case SCALAR_NUMBER:
        return "a number";
    case SCALAR_TEXT:
        break;
    }
    return "a text";
}

/* The first control character (C0, DEL, C1), -1: none. */
static int control_character(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < 0x20 || c == 0x7F)
            return c;
        if (c == 0xC2 && i + 1 < length && (unsigned char)bytes[i + 1] < 0xA0)
            return (unsigned char)bytes[i + 1];
    }
    return -1;
}

static bool is_free_of_controls(struct reader *r, const char *what, const struct tree_node *node)
{
    int control = control_character(node->text, node->count);
    if (control == -1)
        return true;
    char quoted[QUOTED_MAX];
    report_error(r, node, "%s: %s holds %s; write it without", what,
                 quote_value(node->text, node->count, quoted),
                 control == '\n'   ? "a line feed"
                 : control == '\t' ? "a tab"
                 : control == 0    ? "a NUL"
                                   : "a control character");
    return false;
}

bool value_text(struct reader *r, const char *what, const struct tree_node *node)
{
    if (node->kind != TREE_SCALAR) {
        report_error(r, node, "%s is %s; it must be a text", what, type_name(node));
        return false;
    }
    enum scalar_type type = type_of(node);
    if (type == SCALAR_NULL) {
        report_error(r, node, "%s is empty; it must be a text", what);
        return false;
    }
    if (type != SCALAR_TEXT) {
        report_error(r, node, "%s is %s; to mean a text write \"%.60s\" in quotes", what,
                     type_name(node), node->text);
        return false;
    }
    return is_free_of_controls(r, what, node);
}

bool value_duration(struct reader *r, const char *what, const struct tree_node *node, int64_t least,
                    int64_t most, int64_t *ret_us)
{
    bool scalar = node->kind == TREE_SCALAR;
    enum scalar_type type = scalar ? type_of(node) : SCALAR_TEXT;
    if (!scalar || type == SCALAR_NULL || type == SCALAR_BOOL) {
        report_error(r, node, "%s is %s; it must be a duration such as 30s, 5m or 6h", what,
                     type_name(node));
        return false;
    }
    if (!is_free_of_controls(r, what, node))
        return false;
    struct errtext why;
    int64_t us;
    if (text_parse_duration(node->text, &us, &why) != 0) {
        report_error(r, node, "%s: %s", what, why.text);
        return false;
    }
    if (us < least || us > most) {
        char low[TEXT_DURATION_MAX];
        char high[TEXT_DURATION_MAX];
        report_error(r, node, "%s is %.40s; it must be %s to %s", what, node->text,
                     least == 0 ? "0" : text_format_duration(least, low),
                     text_format_duration(most, high));
        return false;
    }
    *ret_us = us;
    return true;
}

static bool read_whole(struct reader *r, const char *what, const struct rule *rule,
                       const struct tree_node *node, int32_t *ret)
{
    enum scalar_type type = node->kind == TREE_SCALAR ? type_of(node) : SCALAR_TEXT;
    if (node->kind != TREE_SCALAR || type != SCALAR_WHOLE) {
        char quoted[QUOTED_MAX];
        report_error(r, node, "%s is %s; it must be a whole number from %lld to %lld%s", what,
                     type == SCALAR_NUMBER ? quote_value(node->text, node->count, quoted)
                                           : type_name(node),
                     (long long)rule->least, (long long)rule->most,
                     node->kind == TREE_SCALAR && !node->plain ? ", without quotes" : "");
        return false;
    }
    bool negative = node->text[0] == '-';
    int64_t value = 0;
    for (const char *p = node->text + (negative || node->text[0] == '+'); *p != '\0'; p++)
        if (value <= INT32_MAX)
            value = value * 10 + (*p - '0');
    if (negative)
        value = -value;
    if (value < rule->least || value > rule->most) {
        report_error(r, node, "%s is %.40s; it must be a whole number from %lld to %lld", what,
                     node->text, (long long)rule->least, (long long)rule->most);
        return false;
    }
    *ret = (int32_t)value;
    return true;
}

static bool read_bool(struct reader *r, const char *what, const struct tree_node *node, bool *ret)
{
    if (node->kind != TREE_SCALAR || type_of(node) != SCALAR_BOOL) {
        char quoted[QUOTED_MAX];
        bool text = node->kind == TREE_SCALAR && type_of(node) == SCALAR_TEXT;
        report_error(r, node, "%s is %s; write true or false, without quotes", what,
                     text ? quote_value(node->text, node->count, quoted) : type_name(node));
        return false;
    }
    *ret = node->text[0] == 't' || node->text[0] == 'T';
    return true;
}

#define WORDS_MAX 16

/* "a, b or c" of the words that work. */
static void list_words(const struct word *words, struct text *t)
{
    const char *names[WORDS_MAX];
    size_t count = 0;
    for (; words->name != NULL && count < WORDS_MAX; words++)
        if (!words->planned)
            names[count++] = words->name;
    for (size_t i = 0; i < count; i++)
        text_addf(t, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", names[i]);
}

static const struct word *read_word(struct reader *r, const char *what, const struct word *words,
                                    const struct tree_node *node)
{
    if (!value_text(r, what, node))
        return NULL;
    char list[256];
    struct text t = text_over(list, sizeof list);
    list_words(words, &t);
    const char *names[WORDS_MAX];
    size_t count = 0;
    for (const struct word *word = words; word->name != NULL; word++) {
        if (count < WORDS_MAX)
            names[count++] = word->name;
        if (strcmp(word->name, node->text) != 0)
            continue;
        if (!word->planned)
            return word;
        report_error(r, node, "%s %s is not supported yet; write %s", what, word->name, list);
        return NULL;
    }
    char quoted[QUOTED_MAX];
    const char *nearest = text_nearest(node->text, names, count);
    report_error(r, node, "%s is %s; %s%s%swrite %s", what,
                 quote_value(node->text, node->count, quoted),
                 nearest != NULL ? "did you mean " : "", nearest != NULL ? nearest : "",
                 nearest != NULL ? "? " : "", list);
    return NULL;
}

/* http:// or https:// host:port; what is wrong is told without the value, which may hold a key. */
static const char *proxy_fault(const char *proxy)
{
    const char *rest = NULL;
    if (strncmp(proxy, "http://", 7) == 0)
        rest = proxy + 7;
    else if (strncmp(proxy, "https://", 8) == 0)
        rest = proxy + 8;
    if (rest == NULL)
        return "must begin with http:// or https://; write http://HOST:PORT";
    if (strchr(rest, '@') != NULL)
        return "holds a user name or password; secrets do not belong in this file, write "
               "http://HOST:PORT";
    const char *colon = rest[0] == '[' ? strstr(rest, "]:") : strchr(rest, ':');
    if (colon == NULL || colon == rest)
        return "needs a host and a port; write http://HOST:PORT";
    char url[MODEL_URL_MAX];
    char checked[MODEL_URL_MAX + 8];
    struct text t = text_over(checked, sizeof checked);
    text_addf(&t, "https://%s", rest);
    if (t.cut || model_endpoint_url(checked, "", url, NULL) != 0)
        return "is not http://HOST:PORT or https://HOST:PORT";
    return NULL;
}

static const char *url_fault(const char *text, struct errtext *why)
{
    char url[MODEL_URL_MAX];
    if (strstr(text, "://") == NULL)
        (void)errtext_set(why, 0, "write https://host[:port], or http:// to a loopback address");
    else if (model_endpoint_url(text, MODEL_STS_REGION, url, why) == 0)
        return NULL;
    return why->text;
}

/* Whoever asks reads the same file from another directory. */
static bool socket_is_right(struct reader *r, const char *what, const struct tree_node *node)
{
    if (node->text[0] != '/')
        report_error(r, node, "%s is not an absolute path; write one that begins with /", what);
    else if (node->count > MODEL_SOCKET_MAX)
        report_error(r, node, "%s is %u bytes long; a socket's path has at most %d", what,
                     node->count, MODEL_SOCKET_MAX);
    else
        return true;
    return false;
}

/* An address that others can reach is warned of. */
static bool listen_is_right(struct reader *r, const char *what, const struct tree_node *node,
                            struct errtext *why)
{
    struct listen_address address;
    if (listen_address_parse(node->text, &address, why) < 0)
        return false;
    if (!listen_address_is_loopback(&address))
        report_warning(r, node,
                       "%s %s can be reached from other hosts, and asks nobody who they are; see "
                       "that a firewall lets none but your monitoring in",
                       what, node->text);
    return true;
}

static bool text_is_right(struct reader *r, const char *what, const struct rule *rule,
                          const struct tree_node *node)
{
    char quoted[QUOTED_MAX];
    struct errtext why;
    const char *fault = NULL;
    char url[MODEL_URL_MAX];
    if (node->count == 0 && rule->kind != RULE_REMARK) {
        report_error(r, node, "%s is empty; write a value or remove the key", what);
        return false;
    }
    bool path = rule->kind == RULE_PATH || rule->kind == RULE_CA_FILE || rule->kind == RULE_SOCKET;
    if (path && node->text[0] == '~') {
        report_error(r, node, "%s: ~ is not expanded here; write the whole path", what);
        return false;
    }
    if (rule->kind == RULE_SOCKET && !socket_is_right(r, what, node))
        return false;
    if (rule->kind == RULE_REGION && !model_region_is_valid(node->text, node->count)) {
        report_error(r, node,
                     "%s: %s is not a region; write lower-case letters, digits and '-', such as "
                     "ap-guangzhou",
                     what, quote_value(node->text, node->count, quoted));
        return false;
    }
    if (rule->kind == RULE_REMARK && node->count > MODEL_REMARK_MAX) {
        report_error(r, node, "%s is %u bytes long; at most %d are allowed", what, node->count,
                     MODEL_REMARK_MAX);
        return false;
    }
    if (rule->kind == RULE_ENDPOINT
        && model_endpoint_url(node->text, "ap-guangzhou", url, &why) != 0)
        fault = why.text;
    if (rule->kind == RULE_URL && url_fault(node->text, &why) != NULL)
        fault = why.text;
    if (rule->kind == RULE_PROXY)
        fault = proxy_fault(node->text);
    if (rule->kind == RULE_LISTEN && !listen_is_right(r, what, node, &why))
        fault = why.text;
    if (fault == NULL)
        return true;
    report_error(r, node, rule->kind == RULE_PROXY ? "%s %s" : "%s: %s", what, fault);
    return false;
}

static bool ca_file_is_right(struct reader *r, const char *what, const struct tree_node *node)
{
    struct errtext why = {""};
    int outcome = r->options->ca_file != NULL ? r->options->ca_file(node->text, &why) : 0;
    if (outcome == -ENOMEM)
        r->failure = outcome;
    else if (outcome != 0)
        report_error(r, node, "%s: %s", what, why.text);
    return outcome == 0;
}

static bool read_text(struct reader *r, const char *what, const struct rule *rule,
                      const struct tree_node *node, const char **ret)
{
    if (!value_text(r, what, node) || !text_is_right(r, what, rule, node))
        return false;
    if (rule->kind == RULE_CA_FILE && !ca_file_is_right(r, what, node))
        return false;
    char url[MODEL_URL_MAX];
    const char *stored = node->text;
    size_t length = node->count;
    if (rule->kind == RULE_URL
        && model_endpoint_url(node->text, MODEL_STS_REGION, url, NULL) == 0) {
        stored = url;
        length = strlen(url);
    }
    int outcome = config_string(r->config, stored, length, true, ret);
    if (outcome != 0)
        r->failure = outcome;
    return outcome == 0;
}

bool value_read(struct reader *r, const struct section *section, const struct rule *rule,
                const struct tree_node *node, void *target)
{
    char what[64];
    struct text t = text_over(what, sizeof what);
    text_add(&t, section->name);
    text_add(&t, rule->key);
    void *place = (char *)(rule->in_reader ? (void *)r : target) + rule->offset;
    const struct word *word;
    switch (rule->kind) {
    case RULE_PLANNED:
        report_error(r, node, "%s is not supported yet; remove it", what);
        return false;
    case RULE_SECTION:
        return section_read(r, rule->section, node, target, NULL);
    case RULE_WORD:
        word = read_word(r, what, rule->words, node);
        if (word != NULL)
            *(int *)place = word->value;
        return word != NULL;
    case RULE_LANGUAGE:
        word = read_word(r, what, rule->words, node);
        if (word != NULL)
            *(const char **)place = word->name;
        return word != NULL;
    case RULE_WHOLE:
        return read_whole(r, what, rule, node, place);
    case RULE_DURATION:
        return value_duration(r, what, node, rule->least, rule->most, place);
    case RULE_BOOL:
        return read_bool(r, what, node, place);
    case RULE_TEXT:
    case RULE_PATH:
    case RULE_SOCKET:
    case RULE_CA_FILE:
    case RULE_REGION:
    case RULE_REMARK:
    case RULE_PROXY:
    case RULE_ENDPOINT:
    case RULE_URL:
    case RULE_LISTEN:
        return read_text(r, what, rule, node, place);
    case RULE_CALLER:
        break;
    }
    return true;
}

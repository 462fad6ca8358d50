/*
 * A mapping of the file, by its table of rules. First every key is looked up, those of the mapping
 * before those that merge keys bring; then the values are read in the table's order, so that a
 * default stands before what needs it.
 */
#include "ports/config_reader.h"

#include <assert.h>
#include <string.h>

bool key_is_secret(const char *key)
{
    static const char *const words[] = {
        "secretid",        "secretkey",    "token",    "sessiontoken", "securitytoken",
        "tmpsecretid",     "tmpsecretkey", "password", "accesskey",    "accesskeyid",
        "accesskeysecret", "apikey",       "secret",   "passwd"};
    char plain[32];
    size_t length = 0;
    for (; *key != '\0'; key++) {
        if (*key == '_' || *key == '-' || *key == '.')
            continue;
        if (length == sizeof plain - 1)
            return false;
        plain[length++] = *key >= 'A' && *key <= 'Z' ? (char)(*key - 'A' + 'a') : *key;
    }
    plain[length] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(plain, words[i]) == 0)
            return true;
    return false;
}

static size_t find_rule(const struct section *section, const char *key)
{
    size_t i = 0;
    while (i < section->count && strcmp(section->rules[i].key, key) != 0)
        i++;
    return i;
}

static void unknown_key(struct reader *r, const struct section *section,
                        const struct tree_node *key)
{
    if (key_is_secret(key->text)) {
        report_error(r, key,
                     "%.40s: secrets do not belong in this file; put them into the environment or "
                     "a credentials file (see credentials)",
                     key->text);
        return;
    }
    const char *names[RULES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < section->count; i++)
        if (section->rules[i].kind != RULE_PLANNED)
            names[count++] = section->rules[i].key;
    const char *nearest = text_nearest(key->text, names, count);
    char quoted[QUOTED_MAX];
    quote_value(key->text, key->count, quoted);
    if (nearest != NULL) {
        report_error(r, key, "unknown key %s in %s; did you mean %s?", quoted, section->what,
                     nearest);
        return;
    }
    char list[256];
    struct text t = text_over(list, sizeof list);
    for (size_t i = 0; i < count; i++)
        text_addf(&t, "%s%s", i == 0 ? "" : ", ", names[i]);
    report_error(r, key, "unknown key %s in %s; known are %s", quoted, section->what, list);
}

static void take_key(struct reader *r, const struct section *section,
                     const struct tree_node *mapping, uint32_t key_index,
                     struct section_given *given)
{
    const struct tree_node *key = tree_at(&r->tree, key_index);
    if (key->kind != TREE_SCALAR) {
        report_error(r, &r->tree.nodes[key_index], "a key of %s must be a name", section->what);
        return;
    }
    size_t i = find_rule(section, key->text);
    if (i == section->count || strlen(key->text) != key->count) {
        unknown_key(r, section, key);
        return;
    }
    if (given->key[i] == 0) {
        given->key[i] = key_index;
        given->owner[i] = mapping;
    } else if (given->owner[i] == mapping) {
        report_error(r, key, "%s%s is given twice, first in line %u; keep one", section->name,
                     key->text, r->tree.nodes[given->key[i]].line);
    }
}

static void collect(struct reader *r, const struct section *section,
                    const struct tree_node *mapping, unsigned depth, struct section_given *given);

/* `<<: *a` or `<<: [*a, *b]`: what stands first counts. */
static void merge(struct reader *r, const struct section *section, const struct tree_node *value,
                  unsigned depth, struct section_given *given)
{
    if (depth == MERGE_DEPTH_MAX) {
        report_error(r, value, "merge keys lead more than %d deep; write it flatter",
                     MERGE_DEPTH_MAX);
        return;
    }
    if (value->kind == TREE_MAPPING) {
        collect(r, section, value, depth + 1, given);
        return;
    }
    bool list = value->kind == TREE_SEQUENCE;
    for (uint32_t i = list ? value->first : 0; i != 0 && list; i = r->tree.nodes[i].next) {
        const struct tree_node *item = tree_at(&r->tree, i);
        if (item->kind == TREE_MAPPING)
            collect(r, section, item, depth + 1, given);
        else
            report_error(r, item, "a merge key takes mappings only; write <<: *NAME");
    }
    if (!list)
        report_error(r, value, "a merge key takes a mapping; write <<: *NAME");
}

static bool is_merge_key(const struct tree_node *key)
{
    return key->kind == TREE_SCALAR && key->plain && strcmp(key->text, "<<") == 0;
}

static void collect(struct reader *r, const struct section *section,
                    const struct tree_node *mapping, unsigned depth, struct section_given *given)
{
    bool merges = false;
    const struct tree_node *nodes = r->tree.nodes;
    for (uint32_t key = mapping->first; key != 0; key = nodes[nodes[key].next].next) {
        if (is_merge_key(tree_at(&r->tree, key)))
            merges = true;
        else
            take_key(r, section, mapping, key, given);
    }
    if (!merges)
        return;
    for (uint32_t key = mapping->first; key != 0; key = nodes[nodes[key].next].next)
        if (is_merge_key(tree_at(&r->tree, key)))
            merge(r, section, tree_at(&r->tree, nodes[key].next), depth, given);
}

const struct tree_node *section_value(const struct reader *r, const struct section_given *given,
                                      size_t rule)
{
    if (given->key[rule] == 0)
        return NULL;
    return tree_at(&r->tree, r->tree.nodes[given->key[rule]].next);
}

bool section_read(struct reader *r, const struct section *section, const struct tree_node *node,
                  void *target, struct section_given *ret)
{
    assert(section->count <= RULES_MAX);
    struct section_given given = {0};
    if (node->kind != TREE_MAPPING) {
        report_error(r, node, "%s must be a mapping of KEY: VALUE", section->what);
        return false;
    }
    collect(r, section, node, 0, &given);
    for (size_t i = 0; i < section->count && r->failure == 0; i++) {
        const struct rule *rule = &section->rules[i];
        const struct tree_node *value = section_value(r, &given, i);
        if (value == NULL || rule->kind == RULE_CALLER)
            continue;
        if (rule->kind == RULE_PLANNED)
            report_error(r, &r->tree.nodes[given.key[i]], "%s%s is not supported yet; remove it",
                         section->name, rule->key);
        else
            (void)value_read(r, section, rule, value, target);
    }
    if (ret != NULL)
        *ret = given;
    return true;
}

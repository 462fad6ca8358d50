/*
 * Keys as text: what a part may look like, and files in INI form: sections, "name = value" or
 * "name: value", comment lines that begin with # or ;, values with or without quotes, LF or CRLF.
 * Names that are not keys are passed over, since other tools keep their settings there too.
 */
#include "ports/credentials_source.h"

#include <errno.h>
#include <string.h>

int found_keys_set(struct found_keys *keys, enum key_part part, const char *name, const char *bytes,
                   size_t length, struct errtext *err)
{
    size_t most = part == PART_ID ? TC3_SECRET_ID_MAX : SECRET_MAX;
    if (length == 0)
        return errtext_set(err, -EINVAL, "%.60s is empty", name);
    if (length > most)
        return errtext_set(err, -EINVAL, "%.60s is longer than %zu bytes", name, most);
    for (size_t i = 0; i < length; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return errtext_set(err, -EINVAL,
                               "%.60s holds a blank, a line feed or another character that no key "
                               "has",
                               name);
    if (part == PART_ID) {
        memcpy(keys->id, bytes, length);
        keys->id[length] = '\0';
        return 0;
    }
    return secret_set(part == PART_KEY ? &keys->key : &keys->token, bytes, length);
}

void found_keys_finish(struct found_keys *keys)
{
    secret_finish(&keys->key);
    secret_finish(&keys->token);
    secret_wipe(keys->id, sizeof keys->id);
}

/* ---- the text ---- */

struct ini {
    const char *path;
    const char *profile;
    struct found_keys *keys;
    unsigned line;
    bool any_section;
    bool inside;  /* the section that is asked for */
    bool found;   /* it was seen */
    unsigned has; /* bits of enum key_part */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void trim(char **start, char **end)
{
    while (*start < *end && is_blank(**start))
        (*start)++;
    while (*start < *end && is_blank((*end)[-1]))
        (*end)--;
    **end = '\0';
}

static int part_of(const char *name)
{
    static const struct {
        const char *name;
        enum key_part part;
    } rows[] = {
        {"secret_id", PART_ID},        {"secret_key", PART_KEY},       {"token", PART_TOKEN},
        {"session_token", PART_TOKEN}, {"security_token", PART_TOKEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (int)rows[i].part;
    return -1;
}

static int read_section(struct ini *ini, char *start, char *end, struct errtext *err)
{
    if (end[-1] != ']')
        return errtext_set(err, -EINVAL, "%.200s:%u: a section has no ]", ini->path, ini->line);
    start++;
    end--;
    trim(&start, &end);
    ini->any_section = true;
    ini->inside = strcmp(start, ini->profile) == 0;
    ini->found = ini->found || ini->inside;
    return 0;
}

static int read_setting(struct ini *ini, char *start, char *end, struct errtext *err)
{
    char *equals = strpbrk(start, "=:");
    if (equals == NULL)
        return errtext_set(err, -EINVAL, "%.200s:%u: not [section], a comment or name = value",
                           ini->path, ini->line);
    if (!ini->any_section)
        return errtext_set(err, -EINVAL, "%.200s:%u: a setting before the first [section]",
                           ini->path, ini->line);
    if (!ini->inside)
        return 0;
    char *name = start;
    char *name_end = equals;
    char *value = equals + 1;
    trim(&name, &name_end);
    trim(&value, &end);
    int part = part_of(name);
    if (part < 0)
        return 0;
    if ((ini->has & 1U << part) != 0)
        return errtext_set(err, -EINVAL, "%.200s:%u: %s is given twice in [%.64s]; keep one",
                           ini->path, ini->line, name, ini->profile);
    ini->has |= 1U << part;
    size_t length = (size_t)(end - value);
    if (length >= 2 && (value[0] == '"' || value[0] == '\'') && value[length - 1] == value[0]) {
        value++;
        length -= 2;
    }
    if (part == PART_TOKEN && length == 0)
        return 0; /* other tools write it empty for keys without one */
    int outcome = found_keys_set(ini->keys, (enum key_part)part, name, value, length, err);
    return outcome == 0 ? 0 : errtext_prefix(err, outcome, "%.200s:%u", ini->path, ini->line);
}

static int read_line(struct ini *ini, char *start, char *end, struct errtext *err)
{
    trim(&start, &end);
    if (start == end || *start == '#' || *start == ';')
        return 0;
    if (*start == '[')
        return read_section(ini, start, end, err);
    return read_setting(ini, start, end, err);
}

int credentials_ini_parse(char *bytes, size_t length, const char *path, const char *profile,
                          struct found_keys *ret, struct errtext *err)
{
    struct ini ini = {.path = path, .profile = profile, .keys = ret};
    if (memchr(bytes, '\0', length) != NULL)
        return errtext_set(err, -EINVAL, "%.200s is not a text file", path);
    char *end = bytes + length;
    for (char *line = bytes; line < end;) {
        char *feed = memchr(line, '\n', (size_t)(end - line));
        char *line_end = feed != NULL ? feed : end;
        ini.line++;
        int outcome = read_line(&ini, line, line_end, err);
        if (outcome != 0)
            return outcome;
        line = line_end + 1;
    }
    if (!ini.found)
        return errtext_set(err, -EINVAL, "%.200s has no section [%.64s]", path, profile);
    for (int part = PART_ID; part <= PART_KEY; part++)
        if ((ini.has & 1U << part) == 0)
            return errtext_set(err, -EINVAL, "%.200s has no %s in [%.64s]", path,
                               part == PART_ID ? "secret_id" : "secret_key", profile);
    return 0;
}

/*
 * The reader of cron expressions. See cron.h.
 *
 * An expression is trimmed, a macro is exchanged for its five fields, the fields are counted, and
 * then each is read item by item: "*", a value or a range, each but the value with an optional
 * step. Happy path: the items' values are joined into the field's set.
 *
 * Failure path: the first thing that is wrong ends the reading with one line that names the field
 * and the column, shows at most TOKEN_SHOWN characters of what was written (anything but printable
 * ASCII as '?'), and says what would be right. Where a range runs backwards or a step hangs on a
 * single value, the spelling that Vixie cron takes is worked out and shown.
 */
#include "base/cron_internal.h"

#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define TOKEN_SHOWN 40
#define ADVICE_MAX 64
#define NUMBER_CEILING 1000000 /* larger ones are not told apart */

static const char *const month_names[] = {"january",   "february", "march",    "april",
                                          "may",       "june",     "july",     "august",
                                          "september", "october",  "november", "december"};
static const char *const weekday_names[] = {"sunday",   "monday", "tuesday", "wednesday",
                                            "thursday", "friday", "saturday"};

const struct cron_field cron_fields[CRON_FIELD_COUNT] = {
    [CRON_MINUTE] = {"minute", 0, 59, 60, NULL, 0},
    [CRON_HOUR] = {"hour", 0, 23, 24, NULL, 0},
    [CRON_DAY] = {"day of the month", 1, 31, 31, NULL, 0},
    [CRON_MONTH] = {"month", 1, 12, 12, month_names, 12},
    [CRON_WEEKDAY] = {"day of the week", 0, 7, 7, weekday_names, 7},
};

struct macro {
    const char *name;
    const char *fields;
};

static const struct macro macros[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};
#define MACRO_COUNT (sizeof macros / sizeof macros[0])

/* A field's text inside the expression. */
struct reader {
    const struct cron_field *field;
    const char *expression; /* columns are counted from here */
    const char *at;
    const char *end; /* of the field */
    struct errtext *err;
};

/* One value of an item as it was written. */
struct value {
    int number;
    bool sunday_name; /* "sun", which also ends a range */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *p)
{
    while (is_blank(*p))
        p++;
    return p;
}

static const char *skip_word(const char *p)
{
    while (*p != '\0' && !is_blank(*p))
        p++;
    return p;
}

/* The bytes from `start` to `end`, fit for a message. */
static const char *shown(const char *start, const char *end, char buffer[TOKEN_SHOWN + 4])
{
    struct text t = text_over(buffer, TOKEN_SHOWN + 4);
    for (const char *p = start; p < end; p++) {
        if (p - start == TOKEN_SHOWN) {
            text_add(&t, "...");
            break;
        }
        text_add_char(&t, *p >= ' ' && *p <= '~' ? *p : '?');
    }
    return buffer;
}

static int refuse(const struct reader *r, const char *where, const char *format, ...)
    PRINTF_LIKE(3, 4);

static int refuse(const struct reader *r, const char *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)errtext_setv(r->err, -EINVAL, format, args);
    va_end(args);
    return errtext_prefix(r->err, -EINVAL, "%s field, column %d", r->field->name,
                          (int)(where - r->expression + 1));
}

/* The end of the item that begins at `start`. */
static const char *item_end(const struct reader *r, const char *start)
{
    const char *p = start;
    while (p < r->end && *p != ',')
        p++;
    return p;
}

/* An item or a character that is not cron's. */
static int refuse_character(const struct reader *r)
{
    const struct cron_field *f = r->field;
    if (r->at == r->end || *r->at == ',')
        return refuse(r, r->at, "a value is missing; write %d-%d, * or a list such as %d,%d",
                      f->low, f->high, f->low, f->low + 1);
    char token[TOKEN_SHOWN + 4];
    (void)shown(r->at, r->at + 1, token);
    if (*r->at == '?')
        return refuse(r, r->at, "'?' is not cron's; write *");
    if (*r->at == '/')
        return refuse(r, r->at, "'/' needs a * or a range before it; write */n or %d-%d/n", f->low,
                      f->high);
    return refuse(r, r->at, "'%s' is not allowed here; write %d-%d, *, a range a-b or a step */n",
                  token, f->low, f->high);
}

static int refuse_word(const struct reader *r, const char *start, const char *end)
{
    const struct cron_field *f = r->field;
    char token[TOKEN_SHOWN + 4];
    (void)shown(start, end, token);
    if (f->names == NULL)
        return refuse(r, start, "'%s' is not a number; write %d-%d", token, f->low, f->high);
    size_t length = (size_t)(end - start);
    for (int i = 0; i < f->name_count; i++)
        if (length > 3 && strncasecmp(start, f->names[i], length < 5 ? length : 4) == 0)
            return refuse(r, start, "'%s' is not a name of three letters; write %.3s", token,
                          f->names[i]);
    return refuse(r, start, "'%s' is not a name of this field; write %.3s-%.3s or %d-%d", token,
                  f->names[0], f->names[f->name_count - 1], f->low, f->high);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int read_name(struct reader *r, struct value *ret)
{
    const struct cron_field *f = r->field;
    const char *start = r->at;
    const char *end = start;
    while (end < r->end && is_letter(*end))
        end++;
    if (end - start == 3) {
        for (int i = 0; i < f->name_count; i++) {
            if (strncasecmp(start, f->names[i], 3) != 0)
                continue;
            *ret = (struct value){f->low + i, f->size == 7 && i == 0};
            r->at = end;
            return 0;
        }
    }
    return refuse_word(r, start, end);
}

/* Digits; what is past NUMBER_CEILING stays there, so that no length of them can overflow. */
static int read_digits(struct reader *r)
{
    int number = 0;
    for (; r->at < r->end && is_digit(*r->at); r->at++)
        if (number < NUMBER_CEILING)
            number = number * 10 + (*r->at - '0');
    return number;
}

static int read_value(struct reader *r, struct value *ret)
{
    const struct cron_field *f = r->field;
    const char *start = r->at;
    if (r->at < r->end && is_letter(*r->at))
        return read_name(r, ret);
    if (r->at == r->end || !is_digit(*r->at))
        return refuse_character(r);
    int number = read_digits(r);
    char token[TOKEN_SHOWN + 4];
    if (number < f->low || number > f->high)
        return refuse(r, start, "'%s' is outside %d-%d", shown(start, r->at, token), f->low,
                      f->high);
    *ret = (struct value){number, false};
    return 0;
}

/* "/n" where there is one, else *ret is 1. */
static int read_step(struct reader *r, int *ret)
{
    const struct cron_field *f = r->field;
    *ret = 1;
    if (r->at == r->end || *r->at != '/')
        return 0;
    const char *slash = r->at++;
    const char *start = r->at;
    char token[TOKEN_SHOWN + 4];
    if (r->at == r->end || !is_digit(*r->at))
        return refuse(r, slash, "the step after '/' is not a number; write /n with n from 1 to %d",
                      f->high);
    int step = read_digits(r);
    if (step == 0)
        return refuse(r, start, "a step of zero never moves; write 1 to %d", f->high);
    if (step > f->high)
        return refuse(r, start, "a step of %s is beyond the field; write 1 to %d",
                      shown(start, r->at, token), f->high);
    *ret = step;
    return 0;
}

static void advise_range(struct text *t, int first, int last, int step)
{
    if (t->length > 0)
        text_add_char(t, ',');
    if (first == last) {
        text_addf(t, "%d", first);
        return;
    }
    text_addf(t, "%d-%d", first, last);
    if (step > 1)
        text_addf(t, "/%d", step);
}

/* The highest value before the field begins again: 6 for the day of the week. */
static int last_of_cycle(const struct cron_field *f)
{
    return f->low + f->size - 1;
}

/* "22-2" is 22-23,0-2, and a step goes on in the second part where the first left off. */
static int refuse_backwards(const struct reader *r, const char *start, int first, int last,
                            int step)
{
    const struct cron_field *f = r->field;
    char token[TOKEN_SHOWN + 4];
    char advice[ADVICE_MAX];
    struct text t = text_over(advice, sizeof advice);
    int turn = last_of_cycle(f);
    int steps = (turn - first) / step + 1;
    int again = f->low + first + steps * step - turn - 1;
    if (first <= turn)
        advise_range(&t, first, turn, step);
    else
        again = f->low;
    if (again <= last)
        advise_range(&t, again, last, step);
    return refuse(r, start, "'%s' runs backwards; write %s",
                  shown(start, item_end(r, start), token), advice);
}

static int refuse_single_step(const struct reader *r, const char *start, int first, int step)
{
    const struct cron_field *f = r->field;
    char token[TOKEN_SHOWN + 4];
    char advice[ADVICE_MAX];
    struct text t = text_over(advice, sizeof advice);
    int turn = last_of_cycle(f);
    if (first > turn)
        first = f->low;
    advise_range(&t, first, turn, step);
    return refuse(r, start, "'%s' steps from a single value; write %s",
                  shown(start, item_end(r, start), token), advice);
}

static int read_range(struct reader *r, int *ret_first, int *ret_last, int *ret_step)
{
    const char *start = r->at;
    struct value first;
    int outcome = read_value(r, &first);
    if (outcome != 0)
        return outcome;
    struct value last = first;
    bool single = r->at == r->end || *r->at != '-';
    if (!single) {
        r->at++;
        outcome = read_value(r, &last);
        if (outcome != 0)
            return outcome;
    }
    bool stepped = r->at < r->end && *r->at == '/';
    outcome = read_step(r, ret_step);
    if (outcome != 0)
        return outcome;
    if (single && stepped)
        return refuse_single_step(r, start, first.number, *ret_step);
    if (last.sunday_name && first.number > 0)
        last.number = 7; /* "sat-sun" */
    if (last.number < first.number)
        return refuse_backwards(r, start, first.number, last.number, *ret_step);
    *ret_first = first.number;
    *ret_last = last.number;
    return 0;
}

static int read_item(struct reader *r, uint64_t *set)
{
    int first = r->field->low;
    int last = r->field->high;
    int step;
    int outcome;
    if (r->at < r->end && *r->at == '*') {
        r->at++;
        outcome = read_step(r, &step);
    } else {
        outcome = read_range(r, &first, &last, &step);
    }
    if (outcome != 0)
        return outcome;
    if (r->at < r->end && *r->at != ',')
        return refuse_character(r);
    for (int value = first; value <= last; value += step)
        *set |= UINT64_C(1) << value;
    return 0;
}

static int read_field(struct reader *r, uint64_t *ret_set, bool *ret_star)
{
    uint64_t set = 0;
    bool star = *r->at == '*';
    for (;;) {
        int outcome = read_item(r, &set);
        if (outcome != 0)
            return outcome;
        if (r->at == r->end)
            break;
        r->at++; /* the comma */
    }
    *ret_set = set;
    *ret_star = star;
    return 0;
}

static const struct macro *find_macro(const char *word, size_t length)
{
    for (size_t i = 0; i < MACRO_COUNT; i++)
        if (strlen(macros[i].name) == length && memcmp(macros[i].name, word, length) == 0)
            return &macros[i];
    return NULL;
}

const char *cron_expand_macro(const char *expression)
{
    const char *word = skip_blanks(expression);
    const struct macro *macro = find_macro(word, (size_t)(skip_word(word) - word));
    return macro != NULL ? macro->fields : expression;
}

static int refuse_macro(const char *expression, const char *word, const char *end,
                        struct errtext *err)
{
    int column = (int)(word - expression + 1);
    char token[TOKEN_SHOWN + 4];
    (void)shown(word, end, token);
    if (strcmp(token, "@reboot") == 0)
        return errtext_set(err, -EINVAL,
                           "macro, column %d: '@reboot' is not a set time; write five fields or "
                           "a macro such as @daily",
                           column);
    if (strcmp(token, "@every") == 0)
        return errtext_set(err, -EINVAL,
                           "macro, column %d: '@every' is not cron's; give the period as every, "
                           "such as every: 6h",
                           column);
    const char *names[MACRO_COUNT];
    for (size_t i = 0; i < MACRO_COUNT; i++)
        names[i] = macros[i].name;
    const char *nearest = text_nearest(token, names, MACRO_COUNT);
    for (size_t i = 0; i < MACRO_COUNT; i++)
        if (strcasecmp(token, macros[i].name) == 0)
            nearest = macros[i].name;
    if (nearest != NULL)
        return errtext_set(err, -EINVAL, "macro, column %d: '%s' is unknown; write %s", column,
                           token, nearest);
    return errtext_set(err, -EINVAL,
                       "macro, column %d: '%s' is unknown; write @hourly, @daily, @midnight, "
                       "@weekly, @monthly, @yearly or @annually",
                       column, token);
}

static int check_macro(const char *expression, const char *word, struct errtext *err)
{
    const char *end = skip_word(word);
    if (find_macro(word, (size_t)(end - word)) == NULL)
        return refuse_macro(expression, word, end, err);
    const char *rest = skip_blanks(end);
    char token[TOKEN_SHOWN + 4];
    if (*rest != '\0')
        return errtext_set(err, -EINVAL,
                           "macro, column %d: '%s' follows the macro; write the macro alone",
                           (int)(rest - expression + 1), shown(rest, skip_word(rest), token));
    return 0;
}

static int check_field_count(const char *expression, struct errtext *err)
{
    static const char order[] = "minute, hour, day of the month, month, day of the week";
    size_t count = 0;
    const char *sixth = NULL;
    for (const char *p = skip_blanks(expression); *p != '\0'; p = skip_blanks(skip_word(p)))
        if (++count == CRON_FIELD_COUNT + 1)
            sixth = p;
    if (count == 0)
        return errtext_set(err, -EINVAL, "the expression is empty; write five fields: %s", order);
    if (count < CRON_FIELD_COUNT)
        return errtext_set(err, -EINVAL, "%s field, column %d: missing, there %s %d of five: %s",
                           cron_fields[count].name, (int)strlen(expression) + 1,
                           count == 1 ? "is" : "are", (int)count, order);
    if (count > CRON_FIELD_COUNT)
        return errtext_set(err, -EINVAL,
                           "column %d: %d fields, a field too many; write five without seconds or "
                           "year: %s",
                           (int)(sixth - expression + 1), (int)count, order);
    return 0;
}

static int read_fields(const char *expression, struct cron *ret, struct errtext *err)
{
    uint64_t sets[CRON_FIELD_COUNT];
    bool stars[CRON_FIELD_COUNT];
    const char *p = expression;
    for (size_t i = 0; i < CRON_FIELD_COUNT; i++) {
        p = skip_blanks(p);
        struct reader r = {&cron_fields[i], expression, p, skip_word(p), err};
        p = r.end;
        int outcome = read_field(&r, &sets[i], &stars[i]);
        if (outcome != 0)
            return outcome;
    }
    uint64_t weekdays = (sets[CRON_WEEKDAY] | sets[CRON_WEEKDAY] >> 7) & 0x7F;
    *ret = (struct cron){
        .minutes = sets[CRON_MINUTE],
        .hours = (uint32_t)sets[CRON_HOUR],
        .days = (uint32_t)sets[CRON_DAY],
        .months = (uint16_t)sets[CRON_MONTH],
        .weekdays = (uint8_t)weekdays,
        .minute_star = stars[CRON_MINUTE],
        .hour_star = stars[CRON_HOUR],
        .day_star = stars[CRON_DAY],
        .weekday_star = stars[CRON_WEEKDAY],
    };
    return 0;
}

int cron_parse(const char *expression, struct cron *ret, struct errtext *err)
{
    if (strnlen(expression, CRON_TEXT_MAX) >= CRON_TEXT_MAX)
        return errtext_set(err, -EINVAL, "the expression is longer than %d characters",
                           CRON_TEXT_MAX - 1);
    const char *word = skip_blanks(expression);
    int outcome =
        *word == '@' ? check_macro(expression, word, err) : check_field_count(expression, err);
    if (outcome != 0)
        return outcome;
    return read_fields(cron_expand_macro(expression), ret, err);
}

/*
 * See config_yaml.h, the report. Each problem is kept once, also where aliases lead to it again;
 * past CONFIG_PROBLEMS_MAX they are only counted.
 */
#include "ports/config_reader.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void problems_finish(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->kept; i++)
        free(problems->list[i].text);
    free(problems->list);
    *problems = (struct config_problems){0};
}

void config_report_finish(struct config_report *report)
{
    problems_finish(&report->errors);
    problems_finish(&report->warnings);
}

static void lines_of(const struct config_problems *problems, const char *file, const char *prefix,
                     const char *many, void (*line)(void *context, const char *text), void *context)
{
    char buffer[ERRTEXT_MAX + 1024];
    for (size_t i = 0; i < problems->kept; i++) {
        const struct config_problem *p = &problems->list[i];
        struct text t = text_over(buffer, sizeof buffer);
        text_addf(&t, "%s:%u:%u: %s%s", file, p->line, p->column, prefix, p->text);
        line(context, buffer);
    }
    if (problems->found > problems->kept) {
        struct text t = text_over(buffer, sizeof buffer);
        text_addf(&t, "%s: ... and %zu more %s", file, problems->found - problems->kept, many);
        line(context, buffer);
    }
}

void config_report_lines(const struct config_report *report, const char *file,
                         void (*line)(void *context, const char *text), void *context)
{
    lines_of(&report->errors, file, "", "errors", line, context);
    lines_of(&report->warnings, file, "warning: ", "warnings", line, context);
}

/* No text of the file can end a line or write to a terminal, whatever a message quotes. */
static void make_harmless(char *text)
{
    bool utf8 = text_is_utf8(text, strlen(text));
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
        bool c1 = *p == 0xC2 && p[1] >= 0x80 && p[1] <= 0x9F;
        if (*p < 0x20 || *p == 0x7F || (*p >= 0x80 && !utf8))
            *p = '?';
        else if (c1)
            p[0] = p[1] = '?';
    }
}

int report_add(struct config_problems *problems, uint32_t line, uint32_t column, const char *text)
{
    if (problems->kept == CONFIG_PROBLEMS_MAX) {
        problems->found++;
        return 0;
    }
    if (problems->list == NULL) {
        assert(problems->kept == 0);
        problems->list = calloc(CONFIG_PROBLEMS_MAX, sizeof *problems->list);
        if (problems->list == NULL)
            return -ENOMEM;
    }
    char *copy = strdup(text);
    if (copy == NULL)
        return -ENOMEM;
    make_harmless(copy);
    for (size_t i = 0; i < problems->kept; i++) {
        const struct config_problem *p = &problems->list[i];
        if (p->line == line && p->column == column && strcmp(p->text, copy) == 0) {
            free(copy);
            return 0;
        }
    }
    problems->list[problems->kept++] = (struct config_problem){line, column, copy};
    problems->found++;
    return 0;
}

PRINTF_LIKE(4, 0)
static void report(struct reader *r, struct config_problems *problems, const struct tree_node *at,
                   const char *format, va_list args)
{
    if (problems->kept == CONFIG_PROBLEMS_MAX) {
        problems->found++; /* without the cost of its text */
        return;
    }
    struct errtext text;
    (void)errtext_setv(&text, 0, format, args);
    if (report_add(problems, at->line, at->column, text.text) != 0)
        r->failure = -ENOMEM;
}

void report_error(struct reader *r, const struct tree_node *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(r, &r->report->errors, at, format, args);
    va_end(args);
}

void report_warning(struct reader *r, const struct tree_node *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(r, &r->report->warnings, at, format, args);
    va_end(args);
}

static int compare_places(const void *left, const void *right)
{
    const struct config_problem *a = left;
    const struct config_problem *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->text, b->text);
}

void report_sort(struct config_report *report)
{
    if (report->errors.kept > 1)
        qsort(report->errors.list, report->errors.kept, sizeof *report->errors.list,
              compare_places);
    if (report->warnings.kept > 1)
        qsort(report->warnings.list, report->warnings.kept, sizeof *report->warnings.list,
              compare_places);
}

const char *quote_value(const char *bytes, size_t length, char buffer[QUOTED_MAX])
{
    enum { DOTS = 5 }; /* "...\"" and the NUL */
    struct text t = text_over(buffer, QUOTED_MAX - DOTS);
    text_add_json(&t, bytes, length < QUOTED_MAX ? length : QUOTED_MAX);
    if (!t.cut && length < QUOTED_MAX)
        return buffer;
    memcpy(buffer + t.length, "...\"", DOTS);
    return buffer;
}

/* See result.h. Formatting goes through vsnprintf into a bounded buffer; a cut never splits UTF-8.
 */
#include "base/result.h"

#include <stdio.h>
#include <string.h>

static void mark_cut(char *text, size_t size)
{
    /* Back up over a character that the cut may have split, then leave room for the dots. */
    size_t end = size - sizeof "...";
    while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80)
        end--;
    memcpy(text + end, "...", sizeof "...");
}

int(errtext_setv)(struct errtext *err, int outcome, const char *format, va_list args)
{
    if (err == NULL)
        return outcome;
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    if (n < 0)
        err->text[0] = '\0';
    else if ((size_t)n >= sizeof err->text)
        mark_cut(err->text, sizeof err->text);
    return outcome;
}

int(errtext_set)(struct errtext *err, int outcome, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    outcome = errtext_setv(err, outcome, format, args);
    va_end(args);
    return outcome;
}

int(errtext_prefix)(struct errtext *err, int outcome, const char *format, ...)
{
    if (err == NULL)
        return outcome;
    struct errtext context;
    va_list args;
    va_start(args, format);
    (void)errtext_setv(&context, outcome, format, args);
    va_end(args);
    struct errtext inner = *err;
    return errtext_set(err, outcome, "%s: %s", context.text, inner.text);
}

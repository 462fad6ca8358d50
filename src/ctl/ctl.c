/*
 * See ctl.h.
 *
 * Happy path: options before the verb, the verb by its name, its run, a flushed stdout.
 * Failure paths: a wrong word is answered on stderr with the nearest right one and exit code 2. All
 * that is echoed from the command line goes through text_add_line, so that it cannot forge lines
 * or drive a terminal.
 */
#include "ctl/ctl.h"

#include "base/text.h"
#include "engine/forecast.h"
#include "version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPLAINT_MAX 1024
#define WORDS_MAX 32 /* verbs, or options of one verb, that a suggestion is picked from */

static void PRINTF_LIKE(1, 0) complain(const char *format, va_list args, const char *ending)
{
    char raw[COMPLAINT_MAX];
    char line[2 * COMPLAINT_MAX];
    (void)vsnprintf(raw, sizeof raw, format, args);
    struct text t = text_over(line, sizeof line);
    text_add_line(&t, raw, strlen(raw));
    (void)fprintf(stderr, "crsbackupctl: %s%s\n", line, ending);
}

int ctl_complain(int exit_code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(format, args, "");
    va_end(args);
    return exit_code;
}

int ctl_complain_usage(const struct ctl *ctl, const char *format, ...)
{
    char ending[64];
    (void)snprintf(ending, sizeof ending, "; see crsbackupctl %s --help", ctl->verb->name);
    va_list args;
    va_start(args, format);
    complain(format, args, ending);
    va_end(args);
    return CTL_USAGE;
}

void ctl_print_json(bool first, const char *key, const char *text)
{
    size_t length = strlen(text);
    size_t size = 6 * length + 3; /* every byte as \u00XX, quotes, NUL */
    char *buffer = malloc(size);
    if (buffer == NULL)
        abort();
    struct text t = text_over(buffer, size);
    text_add_json(&t, text, length);
    (void)printf("%s\"%s\":%s", first ? "" : ",", key, buffer);
    free(buffer);
}

static void print_end(const char *key, const struct recurrence *when, const struct instance *who,
                      struct wall at)
{
    char local[FORECAST_TIME_MAX];
    (void)printf(",\"%s\":{", key);
    ctl_print_json(true, "instance", who->id);
    ctl_print_json(false, "at", forecast_time(when, at, local));
    (void)printf("}");
}

void ctl_print_spread(const struct recurrence *when, struct wall slot,
                      const struct forecast_spread *spread)
{
    print_end("first", when, spread->first, wall_add_us(slot, spread->first_us));
    print_end("last", when, spread->last, wall_add_us(slot, spread->last_us));
}

bool ctl_parse_count(const char *text, unsigned long most, unsigned long *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] != '\0')
        return false;
    unsigned long count = strtoul(text, NULL, 10);
    if (count < 1 || count > most)
        return false;
    *ret = count;
    return true;
}

static int refuse_word(const struct ctl *ctl, const char *kind, const char *word,
                       const char *const *words, size_t count)
{
    const char *nearest = text_nearest(word, words, count);
    const char *question = nearest != NULL ? "; did you mean " : "";
    if (ctl->verb != NULL)
        return ctl_complain_usage(ctl, "unknown %s '%s'%s%s", kind, word, question,
                                  nearest != NULL ? nearest : "");
    return ctl_complain(CTL_USAGE, "unknown %s '%s'%s%s; see crsbackupctl --help", kind, word,
                        question, nearest != NULL ? nearest : "");
}

static int refuse_option(const struct ctl *ctl, const char *word, const struct ctl_option *options,
                         size_t count)
{
    char name[64]; /* without "=VALUE", which may be of any length */
    struct text t = text_over(name, sizeof name);
    text_add_bytes(&t, word, strcspn(word, "="));
    const char *words[WORDS_MAX] = {"--help", "--json"};
    size_t n = 2;
    for (size_t i = 0; i < count && n < WORDS_MAX; i++)
        words[n++] = options[i].name;
    return refuse_word(ctl, "option", name, words, n);
}

static int print_help(const struct verb *verb)
{
    (void)printf("usage: crsbackupctl %s %s\n\n%s", verb->name, verb->arguments, verb->help);
    return CTL_DONE;
}

/* Takes the option at argv[*at], and its argument; *at is left on the last word taken. */
static int take_option(struct ctl *ctl, int argc, char **argv, int *at,
                       const struct ctl_option *options, size_t count)
{
    const char *word = argv[*at];
    size_t length = strcspn(word, "=");
    const char *inlined = word[length] == '=' ? word + length + 1 : NULL;
    const struct ctl_option *option = NULL;
    for (size_t i = 0; i < count; i++)
        if (strlen(options[i].name) == length && strncmp(options[i].name, word, length) == 0)
            option = &options[i];
    if (option == NULL)
        return refuse_option(ctl, word, options, count);
    if (option->given != NULL) {
        if (inlined != NULL)
            return ctl_complain_usage(ctl, "%s takes no argument", option->name);
        *option->given = true;
        return CTL_GO_ON;
    }
    if (option->value != NULL && *option->value != NULL)
        return ctl_complain_usage(ctl, "%s is given twice", option->name);
    if (inlined == NULL && *at + 1 == argc)
        return ctl_complain_usage(ctl, "%s needs an argument", option->name);
    const char *argument = inlined != NULL ? inlined : argv[++*at];
    if (option->value != NULL)
        *option->value = argument;
    else if (option->values->count < CTL_VALUES_MAX)
        option->values->items[option->values->count++] = argument;
    else
        return ctl_complain_usage(ctl, "%s is given more than %d times", option->name,
                                  CTL_VALUES_MAX);
    return CTL_GO_ON;
}

int ctl_parse(struct ctl *ctl, int argc, char **argv, const struct ctl_option *options,
              size_t option_count, const char **ret_operands, size_t operand_max)
{
    size_t operands = 0;
    bool only_operands = false;
    for (size_t i = 0; i < operand_max; i++)
        ret_operands[i] = NULL;
    for (int at = 0; at < argc; at++) {
        const char *word = argv[at];
        if (only_operands || word[0] != '-' || word[1] == '\0') {
            if (operands == operand_max)
                return ctl_complain_usage(ctl, "'%s' is one argument too many", word);
            ret_operands[operands++] = word;
        } else if (strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            return print_help(ctl->verb);
        } else if (strcmp(word, "--json") == 0) {
            ctl->json = true;
        } else {
            int exit_code = take_option(ctl, argc, argv, &at, options, option_count);
            if (exit_code != CTL_GO_ON)
                return exit_code;
        }
    }
    return CTL_GO_ON;
}

static void print_usage(FILE *to, const struct ctl_program *program)
{
    (void)fprintf(to, "usage: crsbackupctl [--json] [--socket PATH | -c FILE] VERB [ARGUMENT...]\n"
                      "       crsbackupctl VERB --help\n"
                      "       crsbackupctl --version\n\n");
    for (size_t i = 0; i < program->verb_count; i++)
        (void)fprintf(to, "  %-9s  %s\n", program->verbs[i]->name, program->verbs[i]->summary);
    (void)fprintf(
        to, "\nexit: 0 done, 1 failed or unhealthy, 2 usage, 65 bad data, 69 no daemon answers\n");
}

static int run_verb(const struct ctl_program *program, struct ctl *ctl, int argc, char **argv)
{
    const char *words[WORDS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < program->verb_count; i++) {
        if (strcmp(program->verbs[i]->name, argv[0]) == 0) {
            ctl->verb = program->verbs[i];
            return ctl->verb->run(ctl, argc - 1, argv + 1);
        }
        if (n < WORDS_MAX)
            words[n++] = program->verbs[i]->name;
    }
    return refuse_word(ctl, "verb", argv[0], words, n);
}

/* Whether a verb's option may stand before the verb; `ret_words` is how many words it takes. */
static bool is_early(const char *word, int *ret_words)
{
    static const char *const names[] = {"--socket", "--timeout", "-c"};
    size_t length = strcspn(word, "=");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length && strncmp(names[i], word, length) == 0) {
            *ret_words = word[length] == '=' ? 1 : 2;
            return true;
        }
    return false;
}

static int run(const struct ctl_program *program, int argc, char **argv)
{
    static const char *const words[] = {"--help",   "--json",    "--version",
                                        "--socket", "--timeout", "-c"};
    struct ctl ctl = {.verb = NULL, .json = false};
    int at = 1;
    int early = 0; /* words of the verb's options, kept at the front of argv[1] on */
    while (at < argc && argv[at][0] == '-') {
        int taken = 1;
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            print_usage(stdout, program);
            return CTL_DONE;
        }
        if (strcmp(argv[at], "--version") == 0) {
            (void)printf("crsbackupctl %s\n", CRSBACKUPD_VERSION);
            return CTL_DONE;
        }
        if (is_early(argv[at], &taken)) {
            for (int i = 0; i < taken && at + i < argc; i++)
                argv[1 + early++] = argv[at + i];
        } else if (strcmp(argv[at], "--json") == 0) {
            ctl.json = true;
        } else {
            return refuse_word(&ctl, "option", argv[at], words, sizeof words / sizeof words[0]);
        }
        at += taken;
    }
    if (at >= argc) {
        print_usage(stderr, program);
        return CTL_USAGE;
    }
    /* The verb changes places with them: VERB, what stood before it, what follows it. */
    char *verb = argv[at];
    memmove(&argv[at - early + 1], &argv[1], (size_t)early * sizeof *argv);
    argv[at - early] = verb;
    return run_verb(program, &ctl, argc - at + early, argv + at - early);
}

int ctl_main(const struct ctl_program *program, int argc, char **argv)
{
    int exit_code = run(program, argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return ctl_complain(CTL_FAILED, "cannot write the output");
    return exit_code;
}

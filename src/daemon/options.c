/* See options.h. */
#include "daemon/options.h"

#include "base/text.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, 'k'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int refuse(const char *word, struct errtext *err)
{
    static const char *const names[] = {"--config", "--check", "--version", "--help"};
    const char *nearest = text_nearest(word, names, sizeof names / sizeof names[0]);
    if (nearest != NULL)
        return errtext_set(err, -EINVAL, "unknown option '%.40s'; did you mean %s?", word, nearest);
    return errtext_set(err, -EINVAL, "unknown option '%.40s'; see --help", word);
}

int options_parse(int argc, char **argv, struct options *ret, struct errtext *err)
{
    struct options options = {.mode = OPTIONS_RUN, .config_path = OPTIONS_CONFIG_DEFAULT};
    optind = 1;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, ":c:h", long_options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            options.config_path = optarg;
            break;
        case 'k':
            options.mode = OPTIONS_CHECK;
            break;
        case 'V':
            options.mode = OPTIONS_VERSION;
            break;
        case 'h':
            options.mode = OPTIONS_HELP;
            break;
        case ':':
            return errtext_set(err, -EINVAL, "option '%.40s' needs a FILE after it",
                               argv[optind - 1]);
        default:
            return refuse(argv[optind - 1], err);
        }
    }
    if (optind < argc)
        return errtext_set(err, -EINVAL,
                           "'%.40s' is not expected; the configuration is given by -c FILE",
                           argv[optind]);
    *ret = options;
    return 0;
}

const char *options_help(void)
{
    return "Usage: crsbackupd [-c FILE] [--check] [--version] [--help]\n"
           "\n"
           "Backs up Tencent Cloud Redis instances on schedule. Runs in the foreground.\n"
           "\n"
           "  -c, --config FILE  the configuration (default " OPTIONS_CONFIG_DEFAULT ")\n"
           "      --check        read the configuration, show the coming slots, and exit\n"
           "      --version      show the version and exit\n"
           "  -h, --help         show this and exit\n"
           "\n"
           "SIGHUP reloads the configuration; SIGTERM and SIGINT stop after what is in flight.\n"
           "Exit status: 0 clean stop or valid, 1 failure, 2 usage, 78 configuration error.\n";
}

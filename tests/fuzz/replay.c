/*
 * Runs a fuzz target over the files of one directory, in the order of their names, without
 * libFuzzer: so the corpus is a test in every build and under every compiler. Each input is handed
 * over in a block of exactly its size, so that a sanitizer sees a read past its end.
 *
 * Exit 0 when all inputs were taken; 1 when the directory cannot be read or holds no input.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *file = fopen(path, "rbe");
    struct stat st;
    if (file == NULL || fstat(fileno(file), &st) != 0) {
        perror(path);
        if (file != NULL)
            (void)fclose(file);
        return 1;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    int failed = data == NULL || fread(data, 1, size, file) != size;
    (void)fclose(file);
    if (failed)
        perror(path);
    else
        (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return failed;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 1;
    }
    struct dirent **entries = NULL;
    int count = scandir(argv[1], &entries, is_input, alphasort);
    if (count <= 0) {
        (void)fprintf(stderr, "%s: no inputs\n", argv[1]);
        free(entries);
        return 1;
    }
    int failed = 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        int n = snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        /* Named first: when the target dies, the last line tells on which input. */
        (void)fprintf(stderr, "%s\n", entries[i]->d_name);
        failed |= n < 0 || (size_t)n >= sizeof path || replay(path);
        free(entries[i]);
    }
    free(entries);
    (void)fprintf(stderr, "%d inputs\n", count);
    return failed;
}

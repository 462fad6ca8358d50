/* Durations: whatever is accepted stays within the bound and is printed as a text that reads back.
 */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char string[256];
    if (size >= sizeof string)
        return 0;
    memcpy(string, data, size);
    string[size] = '\0';

    int64_t us = -1;
    struct errtext err = {0};
    if (text_parse_duration(string, &us, &err) < 0) {
        if (us != -1 || err.text[0] == '\0')
            abort();
        return 0;
    }
    char printed[TEXT_DURATION_MAX];
    int64_t again = -1;
    if (us < 0 || us > TEXT_DURATION_MAX_US
        || text_parse_duration(text_format_duration(us, printed), &again, &err) < 0 || again != us)
        abort();
    return 0;
}

/* See chance_system.h. getrandom(2) of eight bytes neither blocks nor fails once the system is up.
 */
#include "ports/chance_system.h"

#include <sys/random.h>

static uint64_t next(void *context)
{
    (void)context;
    uint64_t bits = 0;
    (void)!getrandom(&bits, sizeof bits, 0);
    return bits;
}

struct chance chance_system(void)
{
    return (struct chance){.context = NULL, .next = next};
}

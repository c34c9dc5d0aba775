/* status.c: what went wrong, in words. */
#include "ae.h"

const char *
ae_status_text(ae_status status)
{
    switch (status) {
        case AE_OK:
            return "ok";
        case AE_ENOMEM:
            return "not enough memory for the workspace";
        case AE_ESIZE:
            return "sizes too large: their product overflows";
        case AE_EVALUE:
            return "a value is out of its range";
    }
    return "unknown status";
}

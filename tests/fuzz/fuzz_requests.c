/* Every request decoder at every version: byte 0 chooses the API, byte 1 the version, the body follows. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    size_t count;
    const struct api *apis = api_all(&count);
    const struct api *api = &apis[fuzz_byte(&input) % count];
    const int versions = api->version_max - api->version_min + 1;
    const int16_t version = (int16_t)(api->version_min + fuzz_byte(&input) % versions);

    (void)fuzz_message(&api->request, version, version >= api->flexible_since, input);
    return 0;
}

/* CRC-32C (Castagnoli), the checksum of record batches and of our own files. ISA-L computes it at memory speed. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `size` bytes at `data`. */
uint32_t crc32c(const void *data, size_t size);
/* The checksum of what `crc` covers followed by `data`; start with crc 0. */
uint32_t crc32c_extend(uint32_t crc, const void *data, size_t size);

#endif

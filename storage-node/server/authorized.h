/* The operations that a client may do, as bits of Kafka's operation codes. Without an authorizer everybody may do all
 * that a resource knows (KIP-430). */
#ifndef SERVER_AUTHORIZED_H
#define SERVER_AUTHORIZED_H

/* READ 3, WRITE 4, CREATE 5, DELETE 6, ALTER 7, DESCRIBE 8, DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11 */
#define AUTHORIZED_TOPIC 0xdf8
/* CREATE 5, ALTER 7, DESCRIBE 8, CLUSTER_ACTION 9, DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11, IDEMPOTENT_WRITE 12 */
#define AUTHORIZED_CLUSTER 0x1fa0
/* Not asked for. */
#define AUTHORIZED_UNKNOWN INT32_MIN

#endif

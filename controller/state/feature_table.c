/* Finalized features. */
#include "controller/state/feature_table.h"

void feature_table_bootstrap(const struct decision *decision)
{
    struct feature_level_record *record;

    if (image_feature_count(decision->image) > 0) {
        return;
    }
    record = record_list_add(decision->records, METADATA_FEATURE_LEVEL_RECORD);
    record->name = STRING(FEATURE_METADATA_VERSION);
    record->feature_level = METADATA_VERSION_MAX;
}

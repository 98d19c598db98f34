/* What was measured: a line of JSON on standard output, a line for people on standard error. */
#include "tests/bench/load.h"

#include <stdio.h>

static double milliseconds(const struct histogram *histogram, double fraction)
{
    return (double)histogram_quantile(histogram, fraction) / 1e6;
}

static void print_latency(const char *name, const struct histogram *histogram)
{
    printf(",\"%s_p50_ms\":%.4f,\"%s_p99_ms\":%.4f,\"%s_p999_ms\":%.4f,\"%s_max_ms\":%.4f,\"%s_count\":%llu", name,
           milliseconds(histogram, 0.5), name, milliseconds(histogram, 0.99), name, milliseconds(histogram, 0.999),
           name, (double)histogram->max_ns / 1e6, name, (unsigned long long)histogram->count);
}

static void print_errors(const struct load *load)
{
    const char *comma = "";

    printf(",\"errors\":{");
    for (int i = 0; i <= ERROR_CODES_MAX; i++) {
        if (load->errors[i] > 0) {
            printf("%s\"%d\":%llu", comma, i == ERROR_CODES_MAX ? -1 : i, (unsigned long long)load->errors[i]);
            comma = ",";
        }
    }
    printf("}");
}

void report_print(const struct load *load, const struct result *result)
{
    const double cpu = result->usage.user_s + result->usage.system_s;
    const double gigabytes = (double)result->done.bytes / 1e9;
    const double requests = (double)result->done.requests;
    const double per_gb = gigabytes > 0 ? cpu / gigabytes : 0;
    const double per_request = requests > 0 ? cpu * 1e6 / requests : 0;

    printf("{\"label\":\"%s\",\"seconds\":%.3f,\"requests\":%llu,\"records\":%llu,\"bytes\":%llu,"
           "\"records_per_s\":%.0f,\"mb_per_s\":%.1f,\"cpu_user_s\":%.2f,\"cpu_system_s\":%.2f,\"cpu_s_per_gb\":%.4f,"
           "\"us_per_request\":%.3f,\"batch_bytes\":%zu,\"generator_cpu_s\":%.2f,\"foreign_cores\":%.3f,"
           "\"rss_bytes\":%llu,\"rss_peak_bytes\":%llu,\"tail_records\":%llu",
           load->options.label, result->seconds, (unsigned long long)result->done.requests,
           (unsigned long long)result->done.records, (unsigned long long)result->done.bytes,
           (double)result->done.records / result->seconds, (double)result->done.bytes / 1e6 / result->seconds,
           result->usage.user_s, result->usage.system_s, per_gb, per_request, load->batch.bytes.size, result->self_s,
           result->foreign_s / result->seconds, (unsigned long long)result->usage.rss_bytes,
           (unsigned long long)result->usage.rss_peak_bytes, (unsigned long long)result->tails.records);
    print_latency("ack", load->acks);
    if (load->options.tail > 0) {
        print_latency("end", load->ends);
        printf(",\"unread\":%lld", (long long)(load->done.records - load->tails.records));
    }
    print_errors(load);
    printf(",\"early_errors\":%llu}\n", (unsigned long long)load->early_count);
    fprintf(stderr, "%-10s %9.0f msg/s %8.1f MB/s %7.3f cpu-s/GB %8.2f us/req  p50 %.3f p99 %.3f p99.9 %.3f ms",
            load->options.label, (double)result->done.records / result->seconds,
            (double)result->done.bytes / 1e6 / result->seconds, per_gb, per_request, milliseconds(load->acks, 0.5),
            milliseconds(load->acks, 0.99), milliseconds(load->acks, 0.999));
    if (load->options.tail > 0) {
        fprintf(stderr, "  end to end p50 %.3f p99 %.3f p99.9 %.3f ms", milliseconds(load->ends, 0.5),
                milliseconds(load->ends, 0.99), milliseconds(load->ends, 0.999));
    }
    fprintf(stderr, "  RSS %.1f MB%s\n", (double)result->usage.rss_bytes / 1e6,
            load->error_count > 0 ? "  WITH ERRORS" : "");
}

"""Kafka's DumpLogSegments reads the segments of all nodes: every record of every batch, the offset index, the time
index. It ends with 0 whatever it meets; what is wrong is in what it prints."""
import glob
import os
import re

import clients
from suite import Failure, Skip, expect

TOOL = 'org.apache.kafka.tools.DumpLogSegments'
# Complaints of the tool, and what it says of a batch whose checksum is wrong. It calls the first offset of every
# segment but the first "non-consecutive", as following -1: that line says nothing.
WRONG = re.compile(r'(?im)^(.*(mismatch|not valid|isvalid: false|exception|error|corrupt|out of order|could not|'
                   r'invalid|no magic).*| *\d+ is followed by .*)$')
BATCH_COUNTS = re.compile(r'(?m)^baseOffset: .* count: (\d+) ')
SHOWN = 5
# All that the tool prints for a group of files is held in memory.
FILES_AT_ONCE = 20
BYTES_AT_ONCE = 8 << 20


def groups(files):
    part, size = [], 0
    for path in files:
        bytes_more = os.path.getsize(path)
        if part and (len(part) == FILES_AT_ONCE or size + bytes_more > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(path)
        size += bytes_more
    if part:
        yield part


class Dump:
    def __init__(self, suite):
        self.data = suite.cluster.data
        self.runner = clients.ToolRunner()

    def files(self, suffix):
        """Those with something in them; an index that was made in full size and not yet used is all zero bytes."""
        found = [path for folder in self.data
                 for path in glob.glob(os.path.join(folder, '**', '*' + suffix), recursive=True)
                 if '__cluster_metadata' not in path and '-delete' not in path and os.path.getsize(path) > 0]
        if not found:
            raise Skip(f'no {suffix} files with contents in {self.data}')
        return sorted(found)

    def run(self, files, *options):
        """(files, the tool's output) for one group of files after the other."""
        for part in groups(files):
            code, output = self.runner.run(TOOL, *options, '--files', ','.join(part))
            expect(f'code ({output[-1000:]})', 0, code)
            wrong = [match.group(0) for match in WRONG.finditer(output)]
            if wrong:
                raise Failure('\n'.join(line[:300] for line in wrong[:SHOWN]) + f'\n{len(wrong)} lines of that kind')
            yield len(part), output

    def records(self):
        """Deep iteration: every record, by the checks that Kafka's own reader makes, without a line for each."""
        files = batches = records = 0
        for count, output in self.run(self.files('.log'), '--deep-iteration', '--skip-record-metadata'):
            files += count
            counts = [int(text) for text in BATCH_COUNTS.findall(output)]
            batches += len(counts)
            records += sum(counts)
        print(f'    {files} segments, {batches} batches, {records} records')
        if not batches or records < batches:
            raise Failure('too few records to mean anything')

    def offset_indexes(self):
        files = sum(count for count, _ in self.run(self.files('.index'), '--index-sanity-check'))
        # The entries against the log they point into.
        for _ in self.run(self.files('.index'), '--verify-index-only'):
            pass
        print(f'    {files} indexes')

    def time_indexes(self):
        files = sum(count for count, _ in self.run(self.files('.timeindex')))
        print(f'    {files} indexes')

    def producer_snapshots(self):
        files = sum(count for count, _ in self.run(self.files('.snapshot')))
        print(f'    {files} snapshots')


def run(suite):
    dump = Dump(suite)
    try:
        for test in (dump.records, dump.offset_indexes, dump.time_indexes, dump.producer_snapshots):
            suite.test(test.__name__.replace('_', ' '), test)
    finally:
        dump.runner.stop()

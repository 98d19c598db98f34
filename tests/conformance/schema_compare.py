#!/usr/bin/env python3
"""Holds our message schemas against the definitions that Kafka's jars carry: every field, for every version on offer.

    schema_compare.py --jar kafka-clients.jar [--metadata-jar kafka-metadata.jar]

Compared are names, order, types, nullability, tags, defaults, the first flexible version, what may be dropped in
silence from versions that lack it, and the range of versions. Ends with 1 and the differences if there are any.
"""
import argparse
import glob
import json
import os
import re
import sys
import zipfile

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'common', 'wire', 'schema')
sys.dont_write_bytecode = True
sys.path.insert(0, SCHEMAS)
import kmsg  # noqa: E402  (its folder has to be on the path first)

# Where we offer another range than the definition has: our range, Kafka's range, the reason.
OTHER_RANGES = {
    'InitProducerId': ((0, 5), (0, 6), 'version 6 is marked unstable and not offered by servers (KIP-939)'),
}
LAST = 10 ** 6


def without_comments(text):
    """Kafka's definitions are JSON with // comments."""
    return re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda found: found.group(1) or '', text)


def parse_versions(text):
    """(first, last), or None for no versions."""
    if text in (None, '', 'none'):
        return None
    found = re.fullmatch(r'(\d+)(?:-(\d+)|(\+))?', text)
    first = int(found.group(1))
    return first, int(found.group(2)) if found.group(2) else LAST if found.group(3) else first


def snake(name):
    return kmsg.snake(name.replace('KRaft', 'Kraft'))


class TheirField:
    """One field of a definition from a jar, with the attributes that ours have."""

    def __init__(self, definition, common):
        self.name = snake(definition['name'])
        kind = definition['type']
        self.array = kind.startswith('[]')
        kind = kind[2:] if self.array else kind
        self.kind = 'struct' if kind[0].isupper() else kind
        self.versions = parse_versions(definition['versions'])
        self.nullable = parse_versions(definition.get('nullableVersions'))
        self.tag = definition.get('tag')
        tagged = parse_versions(definition.get('taggedVersions'))
        if (self.tag is None) != (tagged is None) or (tagged and tagged != self.versions):
            raise ValueError(f'{self.name}: tagged in some of its versions only, which our language cannot say')
        self.ignorable = str(definition.get('ignorable', 'false')).lower() == 'true'
        self.default = self.parse_default(definition.get('default'))
        inner = definition.get('fields') or (common.get(kind) if self.kind == 'struct' else []) or []
        self.fields = [TheirField(field, common) for field in inner]

    def parse_default(self, text):
        if text is not None and str(text) == 'null':
            return None
        if self.array:
            return []
        if self.kind in kmsg.INTEGERS:
            return int(str(text or '0'), 0)
        if self.kind == 'bool':
            return str(text or 'false').lower() == 'true'
        if self.kind == 'float64':
            return float(text or '0')
        if self.kind in ('struct', 'uuid'):
            return 'zero'
        return None if self.kind == 'records' else text or ''


def within(versions, version):
    return versions is not None and versions[0] <= version <= versions[1]


def layout(fields, version, offered, path=''):
    """The fields of one version as lines of text: plain ones in order, then tagged ones by tag, then those it lacks."""
    plain, tagged, absent = [], [], []
    for field in fields:
        if field.versions is None or field.versions[0] > offered[1] or field.versions[1] < offered[0]:
            continue
        name = path + field.name
        default = f'default {field.default!r}'
        if not within(field.versions, version):
            absent.append(f'{name}: absent, {"ignorable" if field.ignorable else "not ignorable"}, {default}')
            continue
        null = ', nullable' if within(field.nullable, version) else ''
        tag = '' if field.tag is None else f', tag {field.tag}'
        lines = [f'{name}: {"[]" if field.array else ""}{field.kind}{null}{tag}, {default}']
        lines += layout(field.fields, version, overlap(field.versions, offered), name + '.')
        if field.tag is None:
            plain += lines
        else:
            tagged.append((field.tag, lines))
    return plain + [line for _, lines in sorted(tagged) for line in lines] + sorted(absent)


def overlap(one, other):
    return max(one[0], other[0]), min(one[1], other[1])


def compare(message, definition):
    """Differences as lines of text."""
    found = []
    theirs = parse_versions(definition['validVersions'])
    expected = message.versions
    if message.name in OTHER_RANGES:
        expected, their_range, _ = OTHER_RANGES[message.name]
        if theirs != their_range:
            found.append(f'the table of other ranges is out of date: Kafka has {theirs}')
    elif theirs != message.versions:
        found.append(f'versions: ours {message.versions}, Kafka\'s {theirs}')
    if expected != message.versions:
        found.append(f'versions: ours {message.versions}, agreed {expected}')
    if definition.get('apiKey') != message.key:
        found.append(f'key: ours {message.key}, Kafka\'s {definition.get("apiKey")}')
    flexible = parse_versions(definition['flexibleVersions'])
    if (flexible[0] if flexible else None) != message.flexible:
        found.append(f'flexible: ours {message.flexible}, Kafka\'s {flexible}')
    common = {struct['name']: struct['fields'] for struct in definition.get('commonStructs', [])}
    fields = [TheirField(field, common) for field in definition['fields']]
    for version in range(message.versions[0], message.versions[1] + 1):
        ours = layout(message.fields, version, message.versions)
        kafkas = layout(fields, version, message.versions)
        if ours == kafkas:
            continue
        for line in ours:
            if line not in kafkas:
                found.append(f'version {version}: ours only: {line}')
        for line in kafkas:
            if line not in ours:
                found.append(f'version {version}: Kafka\'s only: {line}')
        if sorted(ours) == sorted(kafkas):
            found.append(f'version {version}: another order: ours {ours}, Kafka\'s {kafkas}')
    return found


def compare_all(messages, jar_path, folder):
    """Number of messages that differ from the definitions in this jar."""
    differing = 0
    with zipfile.ZipFile(jar_path) as jar:
        names = set(jar.namelist())
        for message in messages:
            entry = f'{folder}{message.full_name}.json'
            if entry not in names:
                problems = [f'{jar_path} has no {entry}']
            else:
                problems = compare(message, json.loads(without_comments(jar.read(entry).decode('utf-8'))))
            if problems:
                differing += 1
                print(f'{message.full_name} ({os.path.relpath(message.place)})')
                print(''.join(f'    {problem}\n' for problem in problems), end='')
    print(f'{os.path.basename(jar_path)}: {len(messages)} messages compared, {differing} differ')
    return differing


def main():
    parser = argparse.ArgumentParser(description='Compares our message schemas with the definitions in Kafka\'s jars.')
    parser.add_argument('--jar', required=True, help='kafka-clients, for requests, responses and snapshot records')
    parser.add_argument('--metadata-jar', help='kafka-metadata, for the records of the metadata log')
    arguments = parser.parse_args()
    paths = sorted(glob.glob(os.path.join(SCHEMAS, '*.kmsg')))
    try:
        messages = [message for path in paths for message in kmsg.parse_file(path)]
    except kmsg.SchemaError as error:
        sys.exit(str(error))
    protocol = [message for message in messages if message.kind != 'metadata']
    differing = compare_all(protocol, arguments.jar, 'common/message/')
    if arguments.metadata_jar:
        records = [message for message in messages if message.kind == 'metadata']
        differing += compare_all(records, arguments.metadata_jar, 'common/metadata/')
    sys.exit(1 if differing or not messages else 0)


if __name__ == '__main__':
    main()

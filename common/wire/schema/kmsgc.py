#!/usr/bin/env python3
"""Turns the message schemas (*.kmsg) into C: a struct with init, read, write and dump for every message, the table of
APIs and the table of metadata records.

    kmsgc.py --out FOLDER FILE.kmsg...

README.md beside this file describes the schema language. A file x.kmsg becomes x.h and x.c. The emitted code is meant
to be read in a debugger: one statement per field in the order of the wire, a condition where a version lacks the field.
"""
import argparse
import copy
import itertools
import os
import re
import sys

from kmsg import C_TYPES, FIXED_SIZES, INTEGERS, SchemaError, parse_file, snake


def range_condition(versions, outer):
    """C for `version` being in `versions`, given that it is in `outer`; '' if it always is."""
    parts = []
    if versions[0] > outer[0]:
        parts.append(f'version >= {versions[0]}')
    if versions[1] < outer[1]:
        parts.append(f'version <= {versions[1]}')
    return ' && '.join(parts)


def comment_lines(text, indent=''):
    """The text as a C comment of at most 120 columns."""
    lines, line = [], indent + '/*'
    for word in text.split():
        if len(line) + 1 + len(word) > 116:
            lines.append(line)
            line = indent + ' *'
        line += ' ' + word
    return lines + [line + ' */'] if text else []


class Struct:
    """A C struct to emit: the message itself or one of its nested structs."""

    def __init__(self, message, name, fields, versions, top):
        self.message, self.name, self.fields, self.versions, self.top = message, name, fields, versions, top
        self.type = f'struct {name}'
        first = message.flexible
        if first is None or first > versions[1]:
            self.flexible, self.is_flexible = 'false', ''
        elif first <= versions[0]:
            self.flexible, self.is_flexible = 'true', ''
        else:
            self.flexible, self.is_flexible = 'flexible', f'const bool flexible = version >= {first};'

    def where_flexible(self):
        """The same struct in code that runs in flexible versions only."""
        other = copy.copy(self)
        other.flexible = 'true'
        other.versions = (max(self.versions[0], self.message.flexible), self.versions[1])
        return other

    def child(self, field):
        return f'{self.name}_{field.name}'

    def tagged(self):
        return sorted((field for field in self.fields if field.tag is not None), key=lambda field: field.tag)


def structs_of(message):
    """Nested structs first, so that each is declared before its use."""
    found = []

    def visit(name, fields, versions, top):
        for field in fields:
            if field.kind == 'struct':
                visit(f'{name}_{field.name}', field.fields, field.versions, False)
        found.append(Struct(message, name, fields, versions, top))

    visit(snake(message.full_name), message.fields, message.versions, True)
    return found


def size_min(field, message, version):
    """Least number of bytes that the field takes in `version`."""
    if field.tag is not None or not field.versions[0] <= version <= field.versions[1]:
        return 0
    flexible = message.flexible is not None and version >= message.flexible
    if field.array:
        return 1 if flexible else 4
    if field.kind == 'struct':
        nullable = field.nullable and field.nullable[0] <= version <= field.nullable[1]
        return 1 if nullable else struct_size_min(field, message, version)
    if field.kind == 'string':
        return 1 if flexible else 2
    if field.kind in ('bytes', 'records'):
        return 1 if flexible else 4
    return FIXED_SIZES[field.kind]


def struct_size_min(owner, message, version):
    flexible = message.flexible is not None and version >= message.flexible
    return sum(size_min(field, message, version) for field in owner.fields) + (1 if flexible else 0)


def element_size_min(struct, field):
    """C for the least size of an element: one number for flexible versions, one for the others."""
    if field.kind in FIXED_SIZES:
        return str(FIXED_SIZES[field.kind])
    message, sizes = struct.message, {True: [], False: []}
    for version in range(field.versions[0], field.versions[1] + 1):
        flexible = message.flexible is not None and version >= message.flexible
        size = struct_size_min(field, message, version) if field.kind == 'struct' else 1 if flexible else 2
        sizes[flexible].append(max(size, 1))
    if struct.flexible != 'flexible' or not sizes[True] or not sizes[False]:
        return str(min(sizes[True] or sizes[False]))
    return f'flexible ? {min(sizes[True])} : {min(sizes[False])}'


class Lines:
    """Emitted text with indentation."""

    def __init__(self):
        self.lines, self.depth = [], 0

    def add(self, *lines):
        self.lines.extend('    ' * self.depth + line if line else '' for line in lines)

    def open(self, line):
        self.add(line + ' {' if line else '{')
        self.depth += 1

    def close(self, tail=''):
        self.depth -= 1
        self.add('}' + tail)

    def function(self, prototype):
        self.add(prototype)
        self.open('')
        self.prototype, self.start = prototype, len(self.lines)

    def end(self):
        """Ends a function; parameters that its body does not need are marked as such."""
        body = ' '.join(self.lines[self.start:])
        for name in reversed(re.findall(r'(\w+)[,)]', self.prototype)):
            if not re.search(rf'(?<![\w>."]){name}\b', body):
                self.lines.insert(self.start, f'    (void){name};')
        self.close()
        self.add('')


def member(field):
    return f'message->{field.name}'


def emit_struct(out, struct):
    if struct.top:
        out.add(*comment_lines(struct.message.comment))
    out.add(f'{struct.type} {{')
    out.depth += 1
    for field in struct.fields:
        out.add(*comment_lines(field.comment))
        kind = f'struct {struct.child(field)}' if field.kind == 'struct' else C_TYPES[field.kind]
        if field.array:
            out.add(f'int32_t {field.name}_count;' + (' /* -1: null */' if field.nullable else ''))
        star = '*' if field.array or (field.kind == 'struct' and field.nullable) else ''
        out.add(f'{kind}{"" if kind.endswith("*") else " "}{star}{field.name};')
    if not struct.fields:
        out.add('char nothing; /* C wants a member */')
    out.close(';')
    out.add('')


def emit_init(out, struct):
    out.function(f'void {struct.name}_init({struct.type} *message)')
    out.add(f'*message = ({struct.type}){{0}};')
    for field in struct.fields:
        default = field.default
        if field.array:
            if default is None:
                out.add(f'{member(field)}_count = -1;')
        elif field.kind == 'struct':
            if not field.nullable:
                out.add(f'{struct.child(field)}_init(&{member(field)});')
        elif field.kind in ('string', 'bytes'):
            if default == '':
                out.add(f'{member(field)} = ' + ('STRING("");' if field.kind == 'string' else 'bytes_of("", 0);'))
        elif field.kind != 'uuid' and default:
            out.add(f'{member(field)} = {literal(field)};')
    out.end()


def literal(field):
    if field.kind == 'bool':
        return 'true' if field.default else 'false'
    if field.kind == 'float64':
        return repr(field.default)
    if field.kind == 'int64':
        return f'INT64_C({field.default})'
    return str(field.default)


def default_tests(struct, field):
    """C for the field holding its default, and for holding something else. A null string counts as empty."""
    name = member(field)
    if field.array:
        left, right = f'{name}_count', '-1' if field.default is None else '0'
    elif field.kind == 'struct' and not field.nullable:
        test = f'{struct.child(field)}_is_default(&{name})'
        return test, '!' + test
    elif field.kind == 'uuid':
        return f'uuid_is_zero({name})', f'!uuid_is_zero({name})'
    elif field.kind == 'records':
        return f'({name}.data == NULL && {name}.file == NULL)', f'({name}.data != NULL || {name}.file != NULL)'
    elif field.kind == 'bool':
        return (name, '!' + name) if field.default else ('!' + name, name)
    elif field.kind == 'struct':
        left, right = name, 'NULL'
    elif field.kind in ('string', 'bytes'):
        left, right = (f'{name}.data', 'NULL') if field.default is None else (f'{name}.size', '0')
    else:
        left, right = name, literal(field)
    return f'{left} == {right}', f'{left} != {right}'


def needs_is_default(structs):
    """Names of the nested structs that are compared with their defaults when written."""
    needed = set()
    for struct in reversed(structs):
        for field in struct.fields:
            absent = range_condition(field.versions, struct.versions) and not field.ignorable
            if field.kind == 'struct' and not field.array and not field.nullable and (
                    field.tag is not None or absent or struct.name in needed):
                needed.add(struct.child(field))
    return needed


def emit_is_default(out, struct):
    out.function(f'static bool {struct.name}_is_default(const {struct.type} *message)')
    out.add('return ' + ' && '.join(default_tests(struct, field)[0] for field in struct.fields) + ';')
    out.end()


def null_condition(struct, field):
    """C for null being allowed in `version`: 'true', 'false' or a condition."""
    if not field.nullable:
        return 'false'
    return range_condition(field.nullable, field.versions) or 'true'


def emit_read_value(out, struct, field):
    name, flexible, null = member(field), struct.flexible, null_condition(struct, field)
    if field.array:
        limits = f'{element_size_min(struct, field)}, {field.max}'
        out.add(f'{name}_count = read_array_count(reader, {flexible}, {null}, {limits});',
                f'{name} = read_array_alloc(reader, {name}_count, sizeof(*{name}));')
        out.open(f'for (int32_t i = 0; i < {name}_count && reader_ok(reader); i++)')
        if field.kind == 'struct':
            out.add(f'{struct.child(field)}_read(&{name}[i], reader, version);')
        elif field.kind in ('string', 'bytes'):
            out.add(f'{name}[i] = read_{field.kind}(reader, {flexible});')
        else:
            out.add(f'{name}[i] = read_{field.kind}(reader);')
        out.close()
    elif field.kind == 'struct' and field.nullable:
        out.open('if (read_present(reader))')
        out.add(f'{name} = read_struct_alloc(reader, sizeof(*{name}));')
        out.open(f'if ({name} != NULL)')
        out.add(f'{struct.child(field)}_read({name}, reader, version);')
        out.close()
        out.close()
    elif field.kind == 'struct':
        out.add(f'{struct.child(field)}_read(&{name}, reader, version);')
    elif field.kind == 'records':
        out.add(f'{name} = read_records(reader, {flexible}, {null});')
    elif field.kind in ('string', 'bytes'):
        plain, nullable = f'read_{field.kind}(reader, {flexible})', f'read_nullable_{field.kind}(reader, {flexible})'
        out.add(f'{name} = ' + {'true': nullable, 'false': plain}.get(null, f'{null} ? {nullable} : {plain}') + ';')
    else:
        out.add(f'{name} = read_{field.kind}(reader);')


def emit_plain_fields(out, struct, emit):
    """`emit` for every field that is not tagged; neighbours that the same versions have share their condition."""
    plain = [field for field in struct.fields if field.tag is None]
    for condition, fields in itertools.groupby(plain, lambda field: range_condition(field.versions, struct.versions)):
        if condition:
            out.open(f'if ({condition})')
        for field in fields:
            emit(out, struct, field)
        if condition:
            out.close()


def emit_read_tags(out, struct):
    out.function(f'static void {struct.name}_read_tags({struct.type} *message, struct reader *reader, int16_t version)')
    struct = struct.where_flexible()
    out.open('for (uint32_t left = read_tag_count(reader); left > 0 && reader_ok(reader); left--)')
    out.add('const uint8_t *outer_end;', 'const uint32_t tag = read_tag_begin(reader, &outer_end);', '')
    condition = ''
    for field in struct.tagged():
        condition = ' && '.join(filter(None, [f'tag == {field.tag}', range_condition(field.versions, struct.versions)]))
        if field is struct.tagged()[0]:
            out.open(f'if ({condition})')
        else:
            out.depth -= 1
            out.open(f'}} else if ({condition})')
        emit_read_value(out, struct, field)
    out.depth -= 1
    out.open('} else')
    out.add('read_tag_skip(reader);')
    out.close()
    out.add('read_tag_end(reader, outer_end);')
    out.close()
    out.end()


def emit_flexible_tail(out, struct, always):
    if struct.flexible == 'true':
        out.add(always)
    elif struct.flexible == 'flexible':
        out.open('if (flexible)')
        out.add(always)
        out.close()


def emit_read(out, struct):
    if struct.tagged():
        emit_read_tags(out, struct)
    static = '' if struct.top else 'static '
    out.function(f'{static}void {struct.name}_read({struct.type} *message, struct reader *reader, int16_t version)')
    emit_opening(out, struct)
    out.add(f'{struct.name}_init(message);')
    emit_plain_fields(out, struct, emit_read_value)
    tags = f'{struct.name}_read_tags(message, reader, version);' if struct.tagged() else 'read_tagged_fields(reader);'
    emit_flexible_tail(out, struct, tags)
    out.end()


def emit_opening(out, struct):
    """Declarations and assertions that read and write begin with."""
    if struct.is_flexible:
        out.add(struct.is_flexible, '')
    if struct.top:
        first, last = struct.versions
        out.add(f'ASSERT(version == {first});' if first == last else
                f'ASSERT(version >= {first} && version <= {last});')


def emit_write_value(out, struct, field):
    name, flexible, null = member(field), struct.flexible, null_condition(struct, field)

    def either(optional, required):
        if null in ('true', 'false'):
            out.add(optional if null == 'true' else required)
        else:
            out.open(f'if ({null})')
            out.add(optional)
            out.depth -= 1
            out.open('} else')
            out.add(required)
            out.close()

    if field.array:
        either(f'write_array_count(writer, {name}_count, {flexible});',
               f'write_array_count_required(writer, {name}_count, {flexible});')
        out.open(f'for (int32_t i = 0; i < {name}_count; i++)')
        if field.kind == 'struct':
            out.add(f'{struct.child(field)}_write(&{name}[i], writer, version);')
        elif field.kind in ('string', 'bytes'):
            out.add(f'write_{field.kind}_required(writer, {name}[i], {flexible});')
        else:
            out.add(f'write_{field.kind}(writer, {name}[i]);')
        out.close()
    elif field.kind == 'struct' and field.nullable:
        out.add(f'write_present(writer, {name} != NULL);')
        out.open(f'if ({name} != NULL)')
        out.add(f'{struct.child(field)}_write({name}, writer, version);')
        out.close()
    elif field.kind == 'struct':
        out.add(f'{struct.child(field)}_write(&{name}, writer, version);')
    elif field.kind in ('string', 'bytes', 'records'):
        either(f'write_{field.kind}(writer, {name}, {flexible});',
               f'write_{field.kind}_required(writer, {name}, {flexible});')
    else:
        out.add(f'write_{field.kind}(writer, {name});')


def emit_refusals(out, struct):
    """A value that the version cannot carry must not be lost in silence."""
    def absence(field):
        first, last = field.versions
        parts = [f'version < {first}'] if first > struct.versions[0] else []
        return ' || '.join(parts + ([f'version > {last}'] if last < struct.versions[1] else []))

    limited = [field for field in struct.fields if absence(field) and not field.ignorable]
    for condition, fields in itertools.groupby(limited, absence):
        out.open(f'if ({condition})')
        out.add(*[f'ASSERT({default_tests(struct, field)[0]});' for field in fields])
        out.close()


def emit_write_tags(out, struct):
    out.function(f'static void {struct.name}_write_tags(const {struct.type} *message, struct writer *writer, '
                 'int16_t version)')
    struct = struct.where_flexible()
    for field in struct.tagged():
        present = range_condition(field.versions, struct.versions)
        value = ' && '.join(filter(None, [present, default_tests(struct, field)[1]]))
        out.add(f'const bool has_{field.name} = {value};')
    out.add('size_t mark;', '')
    out.add('write_uvarint(writer, ' + ' + '.join(f'(uint32_t)has_{field.name}' for field in struct.tagged()) + ');')
    for field in struct.tagged():
        out.open(f'if (has_{field.name})')
        out.add(f'mark = write_tag_begin(writer, {field.tag});')
        emit_write_value(out, struct, field)
        out.add('write_tag_end(writer, mark);')
        out.close()
    out.end()


def emit_write(out, struct):
    if struct.tagged():
        emit_write_tags(out, struct)
    static = '' if struct.top else 'static '
    out.function(f'{static}void {struct.name}_write(const {struct.type} *message, struct writer *writer, '
                 'int16_t version)')
    emit_opening(out, struct)
    emit_refusals(out, struct)
    emit_plain_fields(out, struct, emit_write_value)
    tags = f'{struct.name}_write_tags(message, writer, version);'
    emit_flexible_tail(out, struct, tags if struct.tagged() else 'write_tagged_fields_none(writer);')
    out.end()


def dump_value(struct, field, value):
    """C statement that dumps one value of the field's kind."""
    if field.secret:
        return 'dump_text(text, "(secret)");'
    if field.kind in INTEGERS:
        return f'dump_int(text, {value});'
    if field.kind == 'bytes':
        return f'dump_size(text, {value}.data == NULL, {value}.size);'
    if field.kind == 'records':
        return f'dump_size(text, {value}.data == NULL && {value}.file == NULL, {value}.size);'
    return f'dump_{field.kind}(text, {value});'


def emit_dump_struct(out, struct, field, pointer):
    out.add('dump_text(text, "{");', f'{struct.child(field)}_dump({pointer}, text);', 'dump_text(text, "}");')


def emit_dump_null_or(out, test, emit):
    out.open(f'if ({test})')
    out.add('dump_text(text, "null");')
    out.depth -= 1
    out.open('} else')
    emit()
    out.close()


def emit_dump_field(out, struct, field):
    name = member(field)
    out.add(f'dump_name(text, "{field.name}");')
    if field.array:
        def elements():
            out.add('dump_text(text, "[");')
            out.open(f'for (int32_t i = 0; i < {name}_count; i++)')
            out.open('if (i > 0)')
            out.add('dump_text(text, ", ");')
            out.close()
            if field.kind == 'struct':
                emit_dump_struct(out, struct, field, f'&{name}[i]')
            else:
                out.add(dump_value(struct, field, f'{name}[i]'))
            out.close()
            out.add('dump_text(text, "]");')
        if field.nullable:
            emit_dump_null_or(out, f'{name}_count < 0', elements)
        else:
            elements()
    elif field.kind == 'struct' and field.nullable:
        emit_dump_null_or(out, f'{name} == NULL', lambda: emit_dump_struct(out, struct, field, name))
    elif field.kind == 'struct':
        emit_dump_struct(out, struct, field, f'&{name}')
    else:
        out.add(dump_value(struct, field, name))


def emit_dump(out, struct):
    static = '' if struct.top else 'static '
    out.function(f'{static}void {struct.name}_dump(const {struct.type} *message, struct buffer *text)')
    for field in struct.fields:
        emit_dump_field(out, struct, field)
    out.end()


def emit_prototypes(out, structs):
    for struct in structs:
        out.add(f'void {struct.name}_init({struct.type} *message);')
    top = structs[-1]
    out.add(f'void {top.name}_read({top.type} *message, struct reader *reader, int16_t version);',
            f'void {top.name}_write(const {top.type} *message, struct writer *writer, int16_t version);',
            f'void {top.name}_dump(const {top.type} *message, struct buffer *text);', '')


def emit_wrappers(out, message):
    """The functions of struct message_type, which take any message."""
    name = snake(message.full_name)
    for verb, constant, rest in (('init', '', ''), ('read', '', ', struct reader *reader, int16_t version'),
                                 ('write', 'const ', ', struct writer *writer, int16_t version'),
                                 ('dump', 'const ', ', struct buffer *text')):
        arguments = ''.join(', ' + re.split(r'[ *]', argument)[-1] for argument in rest.split(',')[1:])
        out.function(f'static void {name}_{verb}_any({constant}void *message{rest})')
        out.add(f'{name}_{verb}(message{arguments});')
        out.end()


def message_type(message):
    name = snake(message.full_name)
    return (f'{{"{message.full_name}", sizeof(struct {name}), {name}_init_any, {name}_read_any, {name}_write_any, '
            f'{name}_dump_any}}')


def header(out, stem, source, includes):
    guard = f'WIRE_GENERATED_{stem.upper()}_H'
    out.add(f'/* Generated by kmsgc.py from {source}; changes belong there. */')
    out.add(f'#ifndef {guard}', f'#define {guard}', '')
    out.add(*[f'#include {include}' for include in includes], '')


def emit_schema(stem, messages):
    head, body = Lines(), Lines()
    records = [message for message in messages if message.kind == 'metadata']
    header(head, stem, stem + '.kmsg', ['"common/wire/api.h"' if records else '"common/wire/reader.h"',
                                        '"common/wire/writer.h"'])
    body.add(f'/* Generated by kmsgc.py from {stem}.kmsg; changes belong there. */', f'#include "wire/{stem}.h"', '',
             '#include "common/base/assert.h"', '#include "common/wire/codec.h"', '')
    for message in messages:
        structs = structs_of(message)
        compared = needs_is_default(structs)
        for struct in structs:
            emit_struct(head, struct)
        emit_prototypes(head, structs)
        for struct in structs:
            emit_init(body, struct)
            if struct.name in compared:
                emit_is_default(body, struct)
            emit_read(body, struct)
            emit_write(body, struct)
            emit_dump(body, struct)
    if records:
        emit_record_table(head, body, sorted(records, key=lambda message: message.key))
    head.add('#endif')
    return {stem + '.h': head.lines, stem + '.c': body.lines}


def emit_record_table(head, body, records):
    head.open('enum metadata_record_type')
    head.add(*[f'METADATA_{snake(record.name).upper()} = {record.key},' for record in records])
    head.close(';')
    head.add('', 'struct metadata_record_type_row {', '    int16_t key;', '    const char *name;',
             '    int16_t version_min;', '    int16_t version_max;', '    struct message_type type;', '};', '',
             '/* The row of `key`, or NULL if we do not know this record. */',
             'const struct metadata_record_type_row *metadata_record_find(int16_t key);',
             '/* All rows in key order; *count gets their number. */',
             'const struct metadata_record_type_row *metadata_record_all(size_t *count);', '')
    for record in records:
        emit_wrappers(body, record)
    body.add('static const struct metadata_record_type_row rows[] = {')
    for record in records:
        body.add(f'    {{{record.key}, "{record.name}", {record.versions[0]}, {record.versions[1]},',
                 f'     {message_type(record)}}},')
    body.add('};', '')
    body.function('const struct metadata_record_type_row *metadata_record_find(int16_t key)')
    body.open('for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)')
    body.open('if (rows[i].key == key)')
    body.add('return &rows[i];')
    body.close()
    body.close()
    body.add('return NULL;')
    body.end()
    body.function('const struct metadata_record_type_row *metadata_record_all(size_t *count)')
    body.add('*count = sizeof(rows) / sizeof(rows[0]);', 'return rows;')
    body.end()


def pair_apis(schemas):
    """[(stem, request, response)] in key order."""
    apis = {}
    for stem, messages in schemas.items():
        for message in messages:
            if message.kind in ('request', 'response'):
                apis.setdefault(message.key, [stem, None, None])[1 if message.kind == 'request' else 2] = message
    for key, (stem, request, response) in sorted(apis.items()):
        if not request or not response or (request.name, request.versions, request.flexible) != (
                response.name, response.versions, response.flexible):
            raise SchemaError(f'{stem}: request and response of key {key} do not match')
    return [apis[key] for key in sorted(apis)]


def emit_tables(schemas):
    apis = pair_apis(schemas)
    keys, head, body = Lines(), Lines(), Lines()
    header(keys, 'api_keys', 'all schemas', [])
    keys.open('enum api_key')
    keys.add(*[f'API_{snake(request.name).upper()} = {request.key},' for _, request, _ in apis])
    keys.close(';')
    keys.add('', '/* The largest of them. */', f'#define API_KEY_MAX {apis[-1][1].key}', '', '#endif')
    header(head, 'api_table', 'all schemas', ['"common/wire/api.h"'])
    head.add('/* Ordered by key. */', 'extern const struct api api_table[];')
    head.add('extern const size_t api_table_count;', '', '#endif')
    body.add('/* Generated by kmsgc.py from all schemas; changes belong there. */', '#include "wire/api_table.h"', '')
    body.add(*[f'#include "wire/{stem}.h"' for stem in sorted(stem for stem, _, _ in apis)], '')
    for _, request, response in apis:
        emit_wrappers(body, request)
        emit_wrappers(body, response)
    body.add('const struct api api_table[] = {')
    for _, request, response in apis:
        flexible = 'INT16_MAX' if request.flexible is None else request.flexible
        body.add(f'    {{{request.key}, "{request.name}", {request.versions[0]}, {request.versions[1]}, {flexible},',
                 f'     {message_type(request)},', f'     {message_type(response)}}},')
    body.add('};', '', 'const size_t api_table_count = sizeof(api_table) / sizeof(api_table[0]);')
    return {'api_keys.h': keys.lines, 'api_table.h': head.lines, 'api_table.c': body.lines}


def main():
    parser = argparse.ArgumentParser(description='Emits C from message schemas.')
    parser.add_argument('--out', required=True, help='folder to write to')
    parser.add_argument('files', nargs='+')
    arguments = parser.parse_args()
    try:
        schemas = {os.path.basename(path)[:-len('.kmsg')]: parse_file(path) for path in arguments.files}
        files = emit_tables(schemas)
        for stem, messages in schemas.items():
            files.update(emit_schema(stem, messages))
    except SchemaError as error:
        sys.exit(f'kmsgc: {error}')
    os.makedirs(arguments.out, exist_ok=True)
    for name, lines in files.items():
        with open(os.path.join(arguments.out, name), 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines).rstrip('\n') + '\n')


if __name__ == '__main__':
    main()

#!/usr/bin/env python3
"""Emits C that fills every message with random values of one version, for the tests: only fields that the version has,
null only where it is allowed.

    fillgen.py SCHEMA_FOLDER OUT.c FILE.kmsg...
"""
import os
import sys

sys.dont_write_bytecode = True


def fill_field(out, struct, field, kmsgc):
    name = kmsgc.member(field)
    null = kmsgc.null_condition(struct, field)
    may_be_null = {'true': 'fill_chance(fill)', 'false': 'false'}.get(null, f'({null}) && fill_chance(fill)')
    if field.array:
        out.add(f'{name}_count = fill_count(fill, {may_be_null});',
                f'{name} = fill_alloc(fill, {name}_count, sizeof(*{name}));')
        out.open(f'for (int32_t i = 0; i < {name}_count; i++)')
        if field.kind == 'struct':
            out.add(f'fill_{struct.child(field)}(&{name}[i], fill, version);')
        elif field.kind in ('string', 'bytes', 'records'):
            out.add(f'{name}[i] = fill_{field.kind}(fill, false);')
        else:
            out.add(f'{name}[i] = fill_{field.kind}(fill);')
        out.close()
    elif field.kind == 'struct' and field.nullable:
        out.add(f'{name} = {may_be_null} ? NULL : fill_alloc(fill, 1, sizeof(*{name}));')
        out.open(f'if ({name} != NULL)')
        out.add(f'fill_{struct.child(field)}({name}, fill, version);')
        out.close()
    elif field.kind == 'struct':
        out.add(f'fill_{struct.child(field)}(&{name}, fill, version);')
    elif field.kind in ('string', 'bytes', 'records'):
        out.add(f'{name} = fill_{field.kind}(fill, {may_be_null});')
    else:
        out.add(f'{name} = fill_{field.kind}(fill);')


def fill_struct(out, struct, kmsgc):
    out.function(f'static void fill_{struct.name}({struct.type} *message, struct fill *fill, int16_t version)')
    out.add(f'{struct.name}_init(message);')
    for field in struct.fields:
        condition = kmsgc.range_condition(field.versions, struct.versions)
        if field.tag is not None:
            condition = ' && '.join(filter(None, [condition, 'fill_chance(fill)']))
        if condition:
            out.open(f'if ({condition})')
        fill_field(out, struct, field, kmsgc)
        if condition:
            out.close()
    out.end()


def main():
    folder, target, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    sys.path.insert(0, folder)
    import kmsg
    import kmsgc

    out, rows, includes = kmsgc.Lines(), [], []
    for path in paths:
        includes.append(f'#include "wire/{os.path.basename(path)[:-len(".kmsg")]}.h"')
        for message in kmsg.parse_file(path):
            structs = kmsgc.structs_of(message)
            for struct in structs:
                fill_struct(out, struct, kmsgc)
            name = structs[-1].name
            prototype = f'static void {name}_any(void *message, struct fill *fill, int16_t version)'
            out.function(prototype)
            out.add(f'fill_{name}(message, fill, version);')
            out.end()
            for verb, cursor, const in (('read', 'reader', ''), ('write', 'writer', 'const ')):
                out.function(f'static void {name}_{verb}_any({const}void *message, struct {cursor} *{cursor}, '
                             'int16_t version)')
                out.add(f'{name}_{verb}(message, {cursor}, version);')
                out.end()
            out.function(f'static void {name}_dump_any(const void *message, struct buffer *text)')
            out.add(f'{name}_dump(message, text);')
            out.end()
            rows.append(f'    {{"{message.full_name}", {message.versions[0]}, {message.versions[1]}, '
                        f'sizeof(struct {name}), {name}_any, {name}_read_any, {name}_write_any, {name}_dump_any}},')
    with open(target, 'w', encoding='utf-8') as file:
        file.write('\n'.join(['#include "tests/unit/wire/fill.h"', ''] + sorted(includes) + [''] + out.lines +
                             ['const struct fill_row fill_rows[] = {'] + rows + ['};', '',
                              'const size_t fill_row_count = sizeof(fill_rows) / sizeof(fill_rows[0]);', '']))


if __name__ == '__main__':
    main()

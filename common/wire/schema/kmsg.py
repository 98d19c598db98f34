"""The schema language of messages (*.kmsg; README.md beside this file describes it): from text to Message and Field.

Used by the generator, kmsgc.py, and by the test that compares our schemas with Kafka's own definitions.
"""
import re

INTEGERS = {'int8': 1, 'int16': 2, 'uint16': 2, 'int32': 4, 'uint32': 4, 'int64': 8}
FIXED_SIZES = dict(INTEGERS, bool=1, float64=8, uuid=16)
C_TYPES = {'int8': 'int8_t', 'int16': 'int16_t', 'uint16': 'uint16_t', 'int32': 'int32_t', 'uint32': 'uint32_t',
           'int64': 'int64_t', 'bool': 'bool', 'float64': 'double', 'uuid': 'struct uuid', 'string': 'struct string',
           'bytes': 'struct bytes', 'records': 'struct records'}
RESERVED = set('auto break case char const continue default do double else enum extern float for goto if inline int '
               'long register restrict return short signed sizeof static struct switch typedef union unsigned void '
               'volatile while bool true false'.split())
KINDS = ('request', 'response', 'metadata', 'data')
FIELD = re.compile(r'^( *)([a-z][a-z0-9_]*) +((?:\[\])?)([a-z0-9]+)(\??)((?: +[^ #][^ ]*)*)$')


class SchemaError(Exception):
    pass


class Field:
    """One field. `versions` and `nullable` are inclusive ranges (first, last) within the message's; nullable may be
    None. `default` is a Python value: int, bool, str, float, None for null, [] for an array; 'zero' where there is no
    choice."""

    def __init__(self, name, kind, array, place):
        self.name, self.kind, self.array, self.place = name, kind, array, place
        self.versions = self.nullable = self.tag = None
        self.ignorable = self.secret = False
        self.max = 'READER_ARRAY_MAX'
        self.default = None
        self.fields = []
        self.comment = ''


class Message:
    def __init__(self, kind, name, place):
        self.kind, self.name, self.place = kind, name, place
        self.key = None
        self.versions = None
        self.flexible = None  # first flexible version, or None
        self.fields = []
        self.comment = ''

    @property
    def full_name(self):
        return self.name + {'request': 'Request', 'response': 'Response'}.get(self.kind, '')


def snake(name):
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    return re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name).lower()


def parse_range(text, versions, place):
    """'3', '3-5' or '3+' (up to the message's last version) as (first, last)."""
    found = re.fullmatch(r'(\d+)(?:-(\d+)|(\+))?', text)
    if not found:
        raise SchemaError(f'{place}: bad version range {text}')
    first = int(found.group(1))
    last = int(found.group(2)) if found.group(2) else versions[1] if found.group(3) and versions else first
    return first, last


def parse_default(field, text):
    if field.array or field.kind == 'struct':
        if text is None:
            return [] if field.array else 'zero'
        if text == 'null':
            return None
    elif field.kind in INTEGERS:
        return int(text or '0', 0)
    elif field.kind == 'bool':
        if text in (None, 'true', 'false'):
            return text == 'true'
    elif field.kind == 'float64':
        return float(text or '0')
    elif field.kind == 'uuid':
        if text is None:
            return 'zero'
    elif text is None or text == '""':
        return None if field.kind == 'records' else ''
    elif text == 'null':
        return None
    raise SchemaError(f'{field.place}: bad default {text}')


def parse_field(line, place, message, parent_versions):
    found = FIELD.match(line)
    if not found:
        raise SchemaError(f'{place}: cannot read this line')
    indent, name, array, kind, question, rest = found.groups()
    if kind != 'struct' and kind not in C_TYPES:
        raise SchemaError(f'{place}: unknown type {kind}')
    if name in RESERVED or name.endswith('_count'):
        raise SchemaError(f'{place}: the name {name} is not free in C')
    field = Field(name, kind, bool(array), place)
    attributes = dict(word.split('=', 1) if '=' in word else (word, True) for word in rest.split())
    first = int(attributes.pop('since', parent_versions[0]))
    last = int(attributes.pop('until', parent_versions[1]))
    if not parent_versions[0] <= first <= last <= parent_versions[1]:
        raise SchemaError(f'{place}: versions outside {parent_versions}')
    field.versions = (first, last)
    if question:
        field.nullable = field.versions
    if 'nullable' in attributes:
        field.nullable = parse_range(attributes.pop('nullable'), message.versions, place)
    if field.nullable and field.kind in FIXED_SIZES and not field.array:
        raise SchemaError(f'{place}: {kind} cannot be null')
    field.default = parse_default(field, attributes.pop('default', None))
    if field.default is None and not field.nullable and field.kind != 'records':
        raise SchemaError(f'{place}: null default of a field that is never null')
    field.tag = int(attributes.pop('tag')) if 'tag' in attributes else None
    field.max = attributes.pop('max', field.max)
    field.ignorable = attributes.pop('ignorable', False)
    field.secret = attributes.pop('secret', False)
    if attributes:
        raise SchemaError(f'{place}: unknown attributes {" ".join(attributes)}')
    if field.tag is not None and (message.flexible is None or first < message.flexible):
        raise SchemaError(f'{place}: a tag before the message is flexible')
    return len(indent), field


def parse_message(line, place):
    words = line.split()
    if words[0] not in KINDS:
        raise SchemaError(f'{place}: expected one of {" ".join(KINDS)}')
    message = Message(words[0], words[1], place)
    for word in words[2:]:
        name, _, value = word.partition('=')
        if name == 'key':
            message.key = int(value)
        elif name == 'versions':
            message.versions = parse_range(value, None, place)
        elif name == 'flexible' and value == 'none':
            message.flexible = None
        elif name == 'flexible':
            message.flexible = parse_range(value, message.versions, place)[0]
        else:
            raise SchemaError(f'{place}: unknown attribute {name}')
    if message.versions is None or (message.key is None) != (message.kind == 'data'):
        raise SchemaError(f'{place}: versions or key missing or too many')
    return message


def parse_file(path):
    """All messages of one file, in order."""
    messages, stack, comments = [], [], []
    with open(path, encoding='utf-8') as file:
        lines = file.read().split('\n')
    for number, line in enumerate(lines, 1):
        place = f'{path}:{number}'
        text, mark, comment = (line + ' ').partition('# ')
        text, comment = text.rstrip(), comment.strip()
        if not text:
            comments = comments + [comment] if mark else []
            continue
        if not line.startswith(' '):
            message = parse_message(text, place)
            message.comment, comments = ' '.join(comments), []
            messages.append(message)
            stack = [(0, message)]
            continue
        if not stack:
            raise SchemaError(f'{place}: a field before any message')
        indent = len(line) - len(line.lstrip())
        while stack[-1][0] >= indent:
            stack.pop()
        parent = stack[-1][1]
        if isinstance(parent, Field) and parent.kind != 'struct':
            raise SchemaError(f'{place}: only structs have fields')
        _, field = parse_field(text, place, stack[0][1], parent.versions)
        field.comment, comments = ' '.join(comments + [comment] if comment else comments), []
        if field.name in [other.name for other in parent.fields]:
            raise SchemaError(f'{place}: {field.name} twice')
        parent.fields.append(field)
        stack.append((indent, field))
    return messages

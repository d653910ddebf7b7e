/** The reader of HCL that the checks stand on: blocks, values over several lines, templates, what expressions refer to. */
import { describe, expect, test } from 'vitest';
import { parseHcl } from './parse.ts';
import { referencesIn } from './references.ts';
import { tokensOf } from './tokens.ts';

const paths = (text: string) => referencesIn(tokensOf(text)).map(({ path }) => path.join('.'));

describe('HCL', () => {
  test('is read as blocks with labels, blocks in them, and attributes with their lines', () => {
    const { blocks } = parseHcl(
      '# a comment\nresource "aws_vpc" "this" {\n  cidr_block = "10.0.0.0/16" // another\n  tags = {\n    Name = "x"\n  }\n  timeouts { create = "5m" }\n}\n',
    );
    expect(blocks).toMatchObject([{ type: 'resource', labels: ['aws_vpc', 'this'], line: 2 }]);
    expect(blocks[0]!.body.attributes.map(({ name, line }) => [name, line])).toEqual([
      ['cidr_block', 3],
      ['tags', 4],
    ]);
    expect(blocks[0]!.body.blocks).toMatchObject([{ type: 'timeouts', body: { attributes: [{ name: 'create' }] } }]);
  });

  test('keeps a text of several lines as one value and goes on counting lines behind it', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is HCL's.
    const { attributes } = parseHcl('a = <<-EOT\n  ${var.one}\n  "quoted"\nEOT\nb = 1\n');
    expect(attributes.map(({ name, line }) => [name, line])).toEqual([
      ['a', 1],
      ['b', 5],
    ]);
    expect(referencesIn(attributes[0]!.value).map(({ path }) => path)).toEqual([['var', 'one']]);
  });

  test.each([
    ['a = [1, 2', 'line 1: a bracket has no end'],
    ['a =\nb = 1', 'line 1: a value is missing'],
    ['resource "x" "y" {\n  a = 1\n', 'line 2: the block "resource" has no end'],
    ['a = "open', 'line 1: a string has no end'],
    ['}', 'line 1: a closing brace too many'],
  ])('refuses %j', (text, words) => {
    expect(() => parseHcl(text)).toThrow(words);
  });
});

describe('what an expression refers to', () => {
  test.each([
    ['aws_eip.pop[each.key].public_ip', ['aws_eip.pop.public_ip', 'each.key']],
    ['[for code, region in var.regions : code if region.zone == local.zone]', ['var.regions', 'local.zone']],
    ['{ Name = var.name, (each.key) = "x" }', ['var.name', 'each.key']],
    ['merge(local.a, module.plan.networks)', ['local.a', 'module.plan.networks']],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is HCL's.
    ['"${var.name}-${join(",", [for x in data.aws_iam.this.list : x])}"', ['var.name', 'data.aws_iam.this.list']],
    ['"$${not} %%{this}"', []],
    ['var.a ? aws_vpc.this[*].id : null', ['var.a', 'aws_vpc.this.id']],
  ])('%s', (text, wanted) => {
    expect(paths(text).sort()).toEqual([...wanted].sort());
  });
});

/** The syntax tree that the parser of templates gives, as far as it is used. */

export interface Loc {
  start: { line: number; column: number };
}
export interface PathNode {
  type: "PathExpression";
  data: boolean;
  depth: number;
  parts: string[];
  original: string;
  loc: Loc;
}
export interface LiteralNode {
  type: "StringLiteral" | "NumberLiteral" | "BooleanLiteral" | "NullLiteral" | "UndefinedLiteral";
  value?: string | number | boolean;
  loc: Loc;
}
export interface CallNode {
  type: "SubExpression";
  path: ExpressionNode;
  params: ExpressionNode[];
  hash?: object;
  loc: Loc;
}
export type ExpressionNode = PathNode | LiteralNode | CallNode;
export interface MustacheNode extends Omit<CallNode, "type"> {
  type: "MustacheStatement";
  escaped: boolean;
}
export interface BlockNode extends Omit<CallNode, "type"> {
  type: "BlockStatement";
  program?: ProgramNode & { blockParams?: string[] };
  inverse?: ProgramNode;
}
export interface PartialNode {
  type: "PartialStatement";
  /** What stands before it when it stands alone on its line. */
  indent?: string;
  name: ExpressionNode;
  params: ExpressionNode[];
  hash?: object;
  loc: Loc;
}
export type StatementNode =
  | MustacheNode
  | BlockNode
  | PartialNode
  | { type: "ContentStatement"; value: string; loc: Loc }
  | { type: "CommentStatement"; loc: Loc }
  | { type: "PartialBlockStatement" | "Decorator" | "DecoratorBlock"; loc: Loc };

export interface ProgramNode {
  body: StatementNode[];
}

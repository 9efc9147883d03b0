/* messages.js: what a conversation is made of: roles and texts as we have them, and what OpenAI's form says beyond. What is given back is plain data of
 * our own making, so that it can be sent to the worker whatever else the caller's objects hold. */

import { TallyError, usage } from './errors.js';
import { isRecord, shown } from './options.js';

const ROLES = ['system', 'user', 'assistant'];
/* OpenAI's other roles: the one of ours that it is, or null where there is none. */
const OPENAI_ROLES = { developer: 'system', tool: null, function: null };
/* OpenAI's fields of a message that the prompt would have to hold. */
const UNSUPPORTED = ['tool_calls', 'function_call', 'audio', 'refusal'];

export function checkMessages(messages) {
  usage(messages.length > 0, 'messages is empty: give at least one');
  return Array.from(messages, (m, i) => {
    usage(isRecord(m), `messages[${i}] is ${shown(m)}, expected an object with role and content`);
    const { role, content } = m;
    usage(ROLES.includes(role), `messages[${i}].role is ${shown(role)}, expected one of ${ROLES.join(', ')}`);
    usage(typeof content === 'string', `messages[${i}].content is ${shown(content)}, expected a string`);
    usage(!content.includes('\0'), `messages[${i}].content holds a character U+0000, which chat templates cannot`);
    return { role, content };
  });
}

/* The texts of OpenAI's parts, one behind the other as they stand. */
function joined(parts, where) {
  const texts = Array.from(parts, (part, i) => {
    const { type, text } = isRecord(part) ? part : {};
    usage(typeof type === 'string', `${where}[${i}] is ${shown(part)}, expected an object such as { type: 'text', text: '...' }`);
    if (type !== 'text') throw new TallyError('unsupported', `${where}[${i}] is of type '${type}', and this model reads text only`);
    usage(typeof text === 'string', `${where}[${i}].text is ${shown(text)}, expected a string`);
    return text;
  });
  usage(texts.length > 0, `${where} is an empty array, expected a string or at least one part`);
  return texts.join('');
}

/* OpenAI's messages as ours. */
export function fromOpenAI(messages) {
  usage(Array.isArray(messages), `messages is ${shown(messages)}, expected an array`);
  return checkMessages(
    Array.from(messages, (m, i) => {
      if (!isRecord(m)) return m;
      for (const name of UNSUPPORTED)
        if ((m[name] ?? null) !== null && m[name].length !== 0) throw new TallyError('unsupported', `messages[${i}].${name} is not supported: a message is a text`);
      if (OPENAI_ROLES[m.role] === null) throw new TallyError('unsupported', `messages[${i}].role is '${m.role}', and tools are not supported`);
      const role = Object.hasOwn(OPENAI_ROLES, m.role) ? OPENAI_ROLES[m.role] : m.role;
      if (Array.isArray(m.content)) return { role, content: joined(m.content, `messages[${i}].content`) };
      /* What an assistant did in another way than by words has none. */
      return { role, content: role === 'assistant' ? m.content ?? '' : m.content };
    }),
  );
}
